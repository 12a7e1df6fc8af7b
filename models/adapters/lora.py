"""LoRA files: small updates of the weights of a checkpoint, as kohya's trainer, LyCORIS, diffusers or peft write them.

A file has factors (`lora_delta.py`) for modules of the UNet and of the text encoders. All layouts are read into one: a
part, the path of the module with underscores for dots, and the roles of its factors.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.adapters.lora_delta import Factors, UnknownAlgorithmError, compute_delta
from models.adapters.lora_update import depends_on_weight
from models.adapters.lora_warnings import shorten
from models.catalog.entry import ModelEntry
from models.files.lora_layout import BIAS, flatten_path, read_layout
from models.files.weights_error import WeightsError
from models.finite import holds_finite
from models.loaded_model import next_serial
from models.loading.tensors import open_header, read_tensors

PEFT_CONFIG = "lora_adapter_metadata"
log = logging.getLogger(__name__)
Updates = dict[str, dict[str, dict[str, Tensor]]]
"""Factors by part, module and role."""


class LoraError(ValueError):
    """A file is not a LoRA, or does not fit the checkpoint; the message says which and what to do."""

    code = "bad_input"


class Lora:
    """A loaded LoRA."""

    def __init__(self, name: str, updates: Mapping[str, Mapping[str, Factors]], skipped: Sequence[str] = ()) -> None:
        self.name = name
        self.family = "lora"
        self.serial = next_serial()
        self.device = torch.device("cpu")
        self.updates = updates
        """The factors of each update, by part and module."""
        self.skipped = tuple(skipped)
        """Keys of its file that are not understood."""

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
    lora = Lora(entry.name, *read(entry.path))
    lora.to(device)
    return lora


def read(file: Path) -> tuple[Updates, tuple[str, ...]]:
    """Factors in a file, by part, module and role, on the CPU; and the keys that are not understood, which are logged.

    Raises LoraError.
    """
    try:
        tensors, metadata = read_tensors(file), open_header(file).metadata
    except WeightsError as error:
        raise LoraError(str(error)) from error
    if not tensors:
        raise LoraError(f"{file.name} is empty; fetch it again")
    layout = read_layout(tensors)
    if not layout.keys:
        raise LoraError(
            f"{file.name} has keys such as {next(iter(tensors))!r}, none of which is supported in a LoRA; give "
            "a file of kohya's trainer, LyCORIS, diffusers or peft for Stable Diffusion, or correct its family in "
            "models.yaml"
        )
    if layout.skipped:
        log.warning("%s: keys that are not understood are skipped: %s", file.name, shorten(layout.skipped))
    updates: Updates = {
        part: {module: {role: tensors[key] for role, key in roles.items()} for module, roles in modules.items()}
        for part, modules in layout.keys.items()
    }
    for part, module, alpha in _alphas(metadata, updates, file):
        updates[part][module].setdefault("alpha", torch.tensor(alpha))
    _check_factors(updates, file)
    return updates, layout.skipped


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
