"""What other programs call the parameters of tasks: names that are accepted as well, and names that have a hint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping
from typing import Any

SYNONYMS: Mapping[str, str] = {
    "prompt": "text",
    "width": "w",
    "height": "h",
    "n": "num_samples",
    "num_images_per_prompt": "num_samples",
    "steps": "num_steps",
    "num_inference_steps": "num_steps",
    "cfg_scale": "guidance_scale",
}
"""Our name of a parameter that means the same, in the same unit and range, in A1111, diffusers and OpenAI."""

_STRENGTH = {"fidelity": "fidelity, which is 1 - {name}"}
_LORAS = {"lora_scales": 'lora_scales, as {{"NAME": 0.8}}; or write <lora:NAME:0.8> into the prompt'}
_COUNT = {"num_samples": "num_samples"}
_SAMPLER = {"sampler": "sampler"}
_PICTURE = {"url": "url"}
_MASK = {"mask_url": "mask_url"}
_SECOND_PASS = {"highres_info": "highres_info"}
HINTS: Mapping[str, Mapping[str, str]] = {
    "size": {"w": "w and h", "wh": "wh, as [width, height]"},
    "width": {"wh": "wh, as [width, height]"},
    "height": {"wh": "wh, as [width, height]"},
    "denoising_strength": _STRENGTH,
    "strength": _STRENGTH,
    "lora": _LORAS,
    "loras": _LORAS,
    "batch_size": _COUNT,
    "n_iter": _COUNT,
    "num_images": _COUNT,
    "sampler_name": _SAMPLER,
    "sampler_index": _SAMPLER,
    "scheduler": {"sampler": "sampler, with its schedule in sigmas"},
    "cfg": {"guidance_scale": "guidance_scale"},
    "guidance": {"guidance_scale": "guidance_scale"},
    "negative": {"negative_prompt": "negative_prompt"},
    "subseed": {"variation_seed": "variation_seed"},
    "subseed_strength": {"variation_strength": "variation_strength"},
    "tiling": {"use_circular": "use_circular"},
    "image": _PICTURE,
    "init_image": _PICTURE,
    "init_images": _PICTURE,
    "mask": _MASK,
    "mask_image": _MASK,
    "enable_hr": _SECOND_PASS,
    "hr_scale": _SECOND_PASS,
    "checkpoint": {"model": "model"},
    "sd_model_checkpoint": {"model": "model"},
}
"""What to use in place of a name, by the parameter that the task must have for it. Such a name is not accepted, because
its values may differ from ours."""


def rename_synonyms(values: Any, names: Container[str]) -> Any:
    """`values` with our names for synonyms. One that is said twice, by whatever names, stays, and so is refused.

    `names` are the parameters of the task. What is no mapping stays as it is.
    """
    if not isinstance(values, dict):
        return values
    ours = {name: SYNONYMS[name] for name in values if name in SYNONYMS and name not in names}
    uses = Counter([*ours.values(), *values])
    renamed = {name: our for name, our in ours.items() if our in names and uses[our] == 1}
    return {renamed.get(name, name): value for name, value in values.items()} if renamed else values


def hint_for(name: str, names: Container[str] | None) -> str | None:
    """What the parameter is called here; None for a name of no other program.

    `names` are the parameters of the task; None if they are not known.
    """
    words = {SYNONYMS[name]: SYNONYMS[name]} if name in SYNONYMS else {}
    for ours, text in {**words, **HINTS.get(name, {})}.items():
        if names is None or ours in names:
            return f"here it is {text.format(name=name)}"
    return "this task has nothing that means the same" if name in SYNONYMS or name in HINTS else None
