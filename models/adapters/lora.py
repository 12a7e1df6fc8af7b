"""LoRA files: small updates of a checkpoint's weights, in the lay-outs of kohya's trainer, LyCORIS, diffusers and peft.

A file says for each module of the UNet and of the text encoders which factors make its update (`deltas.py`). All
lay-outs are read into one: a part, the module's path with underscores for dots, and roles.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from models.adapters.lora_delta import Factors
from models.catalog.entry import ModelEntry

PARTS: Mapping[str, str] = {
    "lora_unet_": "unet",
    "lora_te1_": "text_encoder",
    "lora_te2_": "text_encoder_2",
    "lora_te_": "text_encoder",
    "unet.": "unet",
    "text_encoder_2.": "text_encoder_2",
    "text_encoder.": "text_encoder",
}
"""What the names of a part's modules begin with."""
_HALVES = {"A": "down", "B": "up"}
_KEY = re.compile(
    r"""
    (?P<module>.+?)
    (?: [._]lora(?:_linear_layer)?[._](?P<half>down|up|mid|A|B)(?:\.default)?(?:\.weight)?
      | \.(?P<role>alpha|hada_\w+|lokr_\w+|dora_scale|lora_magnitude_vector(?:\.weight)?|diff|diff_b|diff_m)
    )
    """,
    re.VERBOSE,
)


class LoraError(ValueError):
    """A file that is no LoRA, or not one for this checkpoint; the message says which and what to do."""

    code = "bad_input"


class Lora:
    """A loaded LoRA: `updates` holds, by part and module, the factors of each update."""

    def __init__(self, name: str, updates: Mapping[str, Mapping[str, Factors]]) -> None:
        self.name = name
        self.family = "lora"
        self.device = torch.device("cpu")
        self.updates = updates

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
    """Raises LoraError. The factors keep the file's precision; what is made of them is rounded once, when merged."""
    lora = Lora(entry.name, read(entry.path))
    lora.to(device)
    return lora


def read(file: Path) -> dict[str, dict[str, dict[str, Tensor]]]:
    """The factors in a file, by part, module and role, on the CPU. Raises LoraError."""
    updates: dict[str, dict[str, dict[str, Tensor]]] = {}
    with safe_open(file, framework="pt") as opened:
        for key in opened.keys():  # noqa: SIM118 - it is no mapping
            part, module, role = _place(key, file)
            updates.setdefault(part, {}).setdefault(module, {})[role] = opened.get_tensor(key)
        metadata = opened.metadata() or {}
    if not updates:
        raise LoraError(f"{file.name} is empty; fetch it again")
    for part, module, alpha in _alphas(metadata, updates):
        updates[part][module].setdefault("alpha", torch.tensor(alpha))
    return updates


def _place(key: str, file: Path) -> tuple[str, str, str]:
    start = next((start for start in PARTS if key.startswith(start)), None)
    found = _KEY.fullmatch(key)
    if start is None or found is None:
        raise LoraError(
            f"{file.name} holds {key!r}, which belongs to no LoRA that is understood; give a file as kohya's trainer, "
            "LyCORIS, diffusers or peft write it for Stable Diffusion, or list it in models.yaml under its own family"
        )
    module = found["module"].removeprefix(start).replace(".processor.", ".")
    half = found["half"]
    return PARTS[start], flat(module), _HALVES.get(half, half) if half else found["role"]


def flat(path: str) -> str:
    """A module's path as LoRA files spell it. Some transformers put text encoders into a `text_model`, some do not."""
    return path.removeprefix("base_model.model.").replace(".", "_").removeprefix("text_model_")


def _alphas(metadata: Mapping[str, str], updates: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, float]]:
    """What peft's config, which diffusers keeps in the file's metadata, says of alphas."""
    config: dict[str, Any] = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    for part, modules in updates.items():
        whole = config.get(f"{part}.lora_alpha")
        single = {flat(path): alpha for path, alpha in (config.get(f"{part}.alpha_pattern") or {}).items()}
        for module in modules:
            alpha = single.get(module, whole)
            if alpha is not None:
                yield part, module, float(alpha)
