"""LoRA files: small updates of the weights of a checkpoint, as kohya's trainer, LyCORIS, diffusers or peft write them.

A file has factors (`lora_delta.py`) for modules of the UNet and of the text encoders. All layouts are read into one: a
part, the path of the module with underscores for dots, and the roles of its factors.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.adapters.lora_delta import Factors, UnknownAlgorithmError, compute_delta
from models.adapters.lora_update import depends_on_weight
from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.finite import holds_finite
from models.loading.tensors import open_header, read_tensors

PARTS: Mapping[str, str] = {
    "lora_unet": "unet",
    "oft_unet": "unet",
    "lycoris": "unet",
    "model.diffusion_model": "unet",
    "diffusion_model": "unet",
    "unet": "unet",
    "lora_te1": "text_encoder",
    "lora_te2": "text_encoder_2",
    "lora_te": "text_encoder",
    "oft_te1": "text_encoder",
    "oft_te2": "text_encoder_2",
    "oft_te": "text_encoder",
    "text_encoder_2": "text_encoder_2",
    "text_encoder_1": "text_encoder",
    "text_encoder": "text_encoder",
    "clip_l": "text_encoder",
    "clip_g": "text_encoder_2",
    "base_model.model.text_model": "text_encoder",
    "base_model.model": "unet",
}
"""The parts of a checkpoint, by the prefix of their keys; a dot or an underscore follows."""
PEFT_CONFIG = "lora_adapter_metadata"
BIAS = "diff_b"
"""The role of the delta of a bias."""
_ROLES = {"A": "down", "B": "up", "w_norm": "diff", "b_norm": BIAS}
_KEY = re.compile(
    rf"""
    (?P<prefix>{"|".join(map(re.escape, PARTS))})[._](?P<module>.+?)
    (?: [._]lora(?:_linear_layer)?[._](?P<factor>down|up|mid|A|B)(?:\.default)?(?:\.weight)?
      | \.(?P<role>alpha|hada_w[12]_[ab]|hada_t[12]|lokr_w[12](?:_[ab])?|lokr_t[12]|dora_scale|diff|diff_b|w_norm|b_norm
          |lora_magnitude_vector|on_input|weight|oft_blocks|oft_diag|rescale|[ab][12])
        (?:(?:\.default)?\.weight)?
    )
    """,
    re.VERBOSE,
)

log = logging.getLogger(__name__)
Updates = dict[str, dict[str, dict[str, Tensor]]]
"""Factors by part, module and role."""


class LoraError(ValueError):
    """A file is not a LoRA, or does not fit the checkpoint; the message says which and what to do."""

    code = "bad_input"


class Lora:
    """A loaded LoRA."""

    def __init__(self, name: str, updates: Mapping[str, Mapping[str, Factors]]) -> None:
        self.name = name
        self.family = "lora"
        self.device = torch.device("cpu")
        self.updates = updates
        """The factors of each update, by part and module."""

    @property
    def bytes(self) -> int:
        return sum(
            tensor.nbytes for part in self.updates.values() for factors in part.values() for tensor in factors.values()
        )

    def to(self, device: torch.device) -> None:
        self.updates = {
            part: {
                module: {role: tensor.to(device) for role, tensor in factors.items()}
                for module, factors in modules.items()
            }
            for part, modules in self.updates.items()
        }
        self.device = device


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Lora:
    """Raises LoraError. The factors keep the dtype of the file: rounding happens once, when they are merged."""
    lora = Lora(entry.name, read(entry.path))
    lora.to(device)
    return lora


def read(file: Path) -> Updates:
    """Factors in a file, by part, module and role, on the CPU. Logs keys that are not understood. Raises LoraError."""
    updates: Updates = {}
    skipped: list[str] = []
    try:
        tensors, metadata = read_tensors(file), open_header(file).metadata
    except WeightsError as error:
        raise LoraError(str(error)) from error
    for key, tensor in tensors.items():
        if parsed := _parse_key(key):
            part, module, role = parsed
            updates.setdefault(part, {}).setdefault(module, {})[role] = tensor
        else:
            skipped.append(key)
    if not tensors:
        raise LoraError(f"{file.name} is empty; fetch it again")
    updates, dropped = _drop_without_factors(updates)
    skipped += dropped
    if not updates:
        raise LoraError(
            f"{file.name} has keys such as {next(iter(tensors))!r}, none of which is supported in a LoRA; give "
            "a file of kohya's trainer, LyCORIS, diffusers or peft for Stable Diffusion, or correct its family in "
            "models.yaml"
        )
    if skipped:
        log.warning("%s: %d keys are not understood and skipped: %s", file.name, len(skipped), ", ".join(skipped[:20]))
    for part, module, alpha in _alphas(metadata, updates, file):
        updates[part][module].setdefault("alpha", torch.tensor(alpha))
    _check_factors(updates, file)
    return updates


def _drop_without_factors(updates: Updates) -> tuple[Updates, list[str]]:
    """The updates less the modules of which only an alpha or a plain weight is understood, and the names of these."""
    kept: Updates = {}
    dropped: list[str] = []
    for part, modules in updates.items():
        for module, factors in modules.items():
            if factors.keys() - {"alpha", "weight"}:
                kept.setdefault(part, {})[module] = factors
            else:
                dropped.append(f"{module} of the {part}")
    return kept, dropped


def _check_factors(updates: Mapping[str, Mapping[str, Factors]], file: Path) -> None:
    """Raises LoraError for factors that cannot be multiplied, or are not finite."""
    for part, modules in updates.items():
        for module, factors in modules.items():
            if bad := [role for role, tensor in factors.items() if not holds_finite(tensor)]:
                raise LoraError(
                    f"{file.name}, {module} of the {part}: it has NaN or infinity as {bad[0]}; train or fetch it again"
                )
            shapes = {role: tensor.to("meta") for role, tensor in factors.items() if role != BIAS}
            if not shapes or depends_on_weight(shapes):
                continue
            try:
                compute_delta(shapes)
            except UnknownAlgorithmError as error:
                raise LoraError(f"{file.name}, {module} of the {part}: {error}") from error


def _parse_key(key: str) -> tuple[str, str, str] | None:
    """Part, module and role; None for a key that is not understood."""
    match = _KEY.fullmatch(key)
    if match is None:
        return None
    role = match["factor"] or match["role"]
    return PARTS[match["prefix"]], flatten_path(match["module"].replace(".processor.", ".")), _ROLES.get(role, role)


def flatten_path(path: str) -> str:
    """The path of a module as LoRA files write it. Versions of transformers differ in the prefix `text_model`."""
    return path.removeprefix("base_model.model.").replace(".", "_").removeprefix("text_model_")


def _alphas(
    metadata: Mapping[str, str], updates: Mapping[str, Mapping[str, Any]], file: Path
) -> Iterator[tuple[str, str, float]]:
    """The alphas of peft's config, which diffusers writes to the metadata of the file: part, module, alpha.

    Raises LoraError for a config that cannot be read: without it the strength of the LoRA is unknown.
    """
    try:
        config: dict[str, Any] = json.loads(metadata.get(PEFT_CONFIG, "{}"))
        for part, modules in updates.items():
            default, patterns = config.get(f"{part}.lora_alpha"), config.get(f"{part}.alpha_pattern") or {}
            flat = {flatten_path(path): alpha for path, alpha in patterns.items()}
            for module in modules:
                alpha = flat.get(module, default)
                if alpha is not None:
                    yield part, module, float(alpha)
    except (ValueError, TypeError, AttributeError) as error:
        raise LoraError(
            f"{file.name} has metadata {PEFT_CONFIG!r} that are not the JSON of a peft config, so that the strength of "
            "its updates is unknown; save it again with diffusers or peft"
        ) from error
