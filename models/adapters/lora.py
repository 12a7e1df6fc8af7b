"""LoRA files: small updates of the weights of a checkpoint, as kohya's trainer, LyCORIS, diffusers or peft write them.

A file has factors (`lora_delta.py`) for modules of the UNet and of the text encoders. All layouts are read into one: a
part, the path of the module with underscores for dots, and the roles of its factors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.adapters.lora_delta import Factors, UnknownAlgorithmError, compute_delta
from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.finite import holds_finite
from models.loading.tensors import open_header, read_tensors

PARTS: Mapping[str, str] = {
    "lora_unet_": "unet",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
    "lora_te_": "text_encoder",
    "unet.": "unet",
    "text_encoder_2.": "text_encoder_2",
    "text_encoder.": "text_encoder",
}
"""The parts of a checkpoint, by the prefix of their keys."""
PEFT_CONFIG = "lora_adapter_metadata"
_ROLES = {"A": "down", "B": "up"}
_KEY = re.compile(
    r"""
    (?P<module>.+?)
    (?: [._]lora(?:_linear_layer)?[._](?P<factor>down|up|mid|A|B)(?:\.default)?(?:\.weight)?
      | \.(?P<role>alpha|hada_\w+|lokr_\w+|dora_scale|lora_magnitude_vector(?:\.weight)?|diff|diff_b|diff_m)
    )
    """,
    re.VERBOSE,
)


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


def read(file: Path) -> dict[str, dict[str, dict[str, Tensor]]]:
    """The factors in a file, by part, module and role, on the CPU. Raises LoraError."""
    updates: dict[str, dict[str, dict[str, Tensor]]] = {}
    try:
        tensors, metadata = read_tensors(file), open_header(file).metadata
    except WeightsError as error:
        raise LoraError(str(error)) from error
    for key, tensor in tensors.items():
        part, module, role = _parse_key(key, file)
        updates.setdefault(part, {}).setdefault(module, {})[role] = tensor
    if not updates:
        raise LoraError(f"{file.name} is empty; fetch it again")
    for part, module, alpha in _alphas(metadata, updates, file):
        updates[part][module].setdefault("alpha", torch.tensor(alpha))
    _check_factors(updates, file)
    return updates


def _check_factors(updates: Mapping[str, Mapping[str, Factors]], file: Path) -> None:
    """Raises LoraError for factors that cannot be multiplied, or are not finite."""
    for part, modules in updates.items():
        for module, factors in modules.items():
            if bad := [role for role, tensor in factors.items() if not holds_finite(tensor)]:
                raise LoraError(
                    f"{file.name}, {module} of the {part}: it has NaN or infinity as {bad[0]}; train or fetch it again"
                )
            try:  # with shapes alone
                compute_delta({role: tensor.to("meta") for role, tensor in factors.items()})
            except UnknownAlgorithmError as error:
                raise LoraError(f"{file.name}, {module} of the {part}: {error}") from error


def _parse_key(key: str, file: Path) -> tuple[str, str, str]:
    prefix = next((prefix for prefix in PARTS if key.startswith(prefix)), None)
    match = _KEY.fullmatch(key)
    if prefix is None or match is None:
        raise LoraError(
            f"{file.name} has the key {key!r}, which is not supported in a LoRA; give a file of kohya's trainer, "
            "LyCORIS, diffusers or peft for Stable Diffusion, or correct its family in models.yaml"
        )
    module = match["module"].removeprefix(prefix).replace(".processor.", ".")
    factor = match["factor"]
    return PARTS[prefix], flatten_path(module), _ROLES.get(factor, factor) if factor else match["role"]


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
