"""Settings in a graph of ComfyUI, as its images have it under `prompt`: nodes by id, each with a class and inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from models.catalog.catalog import Catalog
from models.kinds import CHECKPOINT_FAMILIES, families_of
from models.kinds.lora import LORA
from models.kinds.vae import VAE
from server.api.dialects.a1111.samplers import sampling_params
from server.api.infotext.settings import FoundSettings, name_of_model
from server.tasks.submission import InvalidParamsError

Inputs = Mapping[str, Any]
MAX_NODES = 1000
TEXTS = ("text", "text_g", "text_l", "string", "value")
"""Inputs that hold words, or a link to a node that does."""
SCHEDULERS = {"ddim_uniform": "ddim"}
"""ComfyUI's names of schedules that A1111 has under another name."""
UNDERSTOOD = frozenset(
    {"CheckpointLoaderSimple", "UNETLoader", "CLIPLoader", "VAELoader", "CLIPTextEncode", "CLIPTextEncodeSDXL"}
    | {"CLIPSetLastLayer", "LoraLoader", "LoraLoaderModelOnly", "EmptyLatentImage", "EmptySD3LatentImage", "VAEEncode"}
    | {"KSampler", "KSamplerAdvanced", "VAEDecode", "VAEDecodeTiled", "SaveImage", "PreviewImage", "LoadImage"}
    | {"PrimitiveNode", "Note", "Reroute"}
)
"""Classes whose settings are read, or that change nothing of the image."""


class NoGraphError(ValueError):
    """The text is no graph of ComfyUI in its format for the API."""


def parse_graph(text: str) -> dict[str, dict[str, Any]]:
    """The nodes by id. Raises NoGraphError."""
    try:
        # Lone surrogates, which JSON may have and UTF-8 has not, become question marks.
        graph = json.loads(json.dumps(json.loads(text), ensure_ascii=False, allow_nan=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise NoGraphError from error
    if not isinstance(graph, dict):
        raise NoGraphError
    nodes = graph.get("prompt", graph)
    if not isinstance(nodes, dict) or not 0 < len(nodes) <= MAX_NODES or not all(map(_is_node, nodes.values())):
        raise NoGraphError
    return nodes


def _is_node(value: Any) -> bool:
    return (
        isinstance(value, dict) and isinstance(value.get("class_type"), str) and isinstance(value.get("inputs"), dict)
    )


def read_comfyui(nodes: dict[str, dict[str, Any]], catalog: Catalog) -> FoundSettings:
    """The settings of the first sampler: the one whose latents no other sampler made."""
    found = FoundSettings()
    samplers = {key: node["inputs"] for key, node in nodes.items() if _is_sampler(node["inputs"])}
    first = next((key for key in samplers if not _upstream(nodes, key, "latent_image") & samplers.keys()), None)
    if first is None:
        found.refuse("KSampler", "there is no sampler in the graph")
        return found
    _read_sampler(samplers[first], found)
    for name, param in (("positive", "text"), ("negative", "negative_prompt")):
        if words := _words(nodes, samplers[first].get(name)):
            found.params[param] = words
    _read_models(nodes, first, catalog, found)
    _read_latents(nodes, first, samplers[first], found)
    for key, node in nodes.items():
        if (key in samplers and key != first) or node["class_type"] not in UNDERSTOOD:
            found.refuse(f"{node['class_type']} ({key})", "no task of this server has it from here; add it yourself")
    return found


def _is_sampler(inputs: Inputs) -> bool:
    return "positive" in inputs and "latent_image" in inputs and ("seed" in inputs or "noise_seed" in inputs)


def _read_sampler(inputs: Inputs, found: FoundSettings) -> None:
    numbers = {"seed": "seed", "noise_seed": "seed", "steps": "num_steps", "cfg": "guidance_scale"}
    for name, param in numbers.items():
        value = inputs.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            found.params[param] = value
        elif value is not None:
            found.refuse(name, "it comes from another node")
    sampler, schedule = str(inputs.get("sampler_name", "")), str(inputs.get("scheduler", ""))
    try:
        found.params |= sampling_params(sampler.removesuffix("_gpu"), SCHEDULERS.get(schedule, schedule))
    except InvalidParamsError:
        found.refuse("sampler_name", f"{sampler}, scheduler {schedule}")


def _links(inputs: Inputs) -> Iterator[tuple[str, str]]:
    """The name of each input that another node makes, and the id of that node."""
    for name, value in inputs.items():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
            yield name, value[0]


def _upstream(nodes: Mapping[str, dict[str, Any]], key: str, first: str) -> dict[str, None]:
    """The ids of all nodes from which the input `first` of a node comes, the nearest first."""
    waiting = [source for name, source in _links(nodes[key]["inputs"]) if name == first]
    seen: dict[str, None] = {}
    while waiting:
        current = waiting.pop(0)
        if current in nodes and current not in seen:
            seen[current] = None
            waiting += [source for _, source in _links(nodes[current]["inputs"])]
    return seen


def _words(nodes: Mapping[str, dict[str, Any]], link: Any) -> str:
    """The words of the nearest node that has some."""
    if not (isinstance(link, list) and link and isinstance(link[0], str)):
        return ""
    start = {"": {"inputs": {"at": [link[0], 0]}}}
    for key in _upstream({**nodes, **start}, "", "at"):
        texts = [nodes[key]["inputs"].get(name) for name in TEXTS]
        if words := [text for text in texts if isinstance(text, str) and text.strip()]:
            return ", ".join(dict.fromkeys(words))
    return ""


def _read_models(nodes: Mapping[str, dict[str, Any]], sampler: str, catalog: Catalog, found: FoundSettings) -> None:
    loras: dict[str, float] = {}
    for key in _upstream(nodes, sampler, "model"):
        inputs = nodes[key]["inputs"]
        file = inputs.get("ckpt_name") or inputs.get("unet_name")
        if isinstance(file, str) and "model" not in found.params:
            _name_model(found, "model", file, catalog, CHECKPOINT_FAMILIES)
        if isinstance(file := inputs.get("lora_name"), str):
            strength = inputs.get("strength_model", 1.0)
            if name := name_of_model(catalog, families_of(LORA), *_names(file)):
                loras[name] = strength
            else:
                found.refuse("lora_name", file)
    for key in nodes:
        inputs = nodes[key]["inputs"]
        if isinstance(file := inputs.get("vae_name"), str):
            _name_model(found, "vae", file, catalog, families_of(VAE))
        if isinstance(layer := inputs.get("stop_at_clip_layer"), int) and layer < -1:
            found.params["clip_skip"] = -layer - 1
    if loras:
        found.params["lora_scales"] = loras


def _name_model(found: FoundSettings, param: str, file: str, catalog: Catalog, families: frozenset[str]) -> None:
    if name := name_of_model(catalog, families, *_names(file)):
        found.params[param] = name
    else:
        found.refuse(param, file)


def _names(file: str) -> tuple[str, str]:
    """What a model may be called here: the name of its file, or of the file without folder and ending."""
    path = PurePosixPath(file.replace("\\", "/"))
    return path.stem, file


def _read_latents(nodes: Mapping[str, dict[str, Any]], sampler: str, inputs: Inputs, found: FoundSettings) -> None:
    for key in _upstream(nodes, sampler, "latent_image"):
        node = nodes[key]["inputs"]
        if isinstance(node.get("width"), int) and isinstance(node.get("height"), int):
            found.params |= {"w": node["width"], "h": node["height"]}
            if isinstance(images := node.get("batch_size"), int) and images > 1:
                found.params["num_samples"] = images
            return
        if "image" in node:
            found.type = "img2img.sd"
            strength = inputs.get("denoise", 1.0)
            if isinstance(strength, int | float):
                found.params["fidelity"] = round(1 - strength, 6)
            found.refuse("image", node["image"])
            return
