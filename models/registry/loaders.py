"""Which file loads which family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from models.adapters import controlnet, ip_adapter, lora, textual_inversion
from models.catalog.entry import ModelEntry
from models.diffusion import sd1, sdxl, tiny_decoder
from models.language import captioner, prompt_enhancer
from models.vision import annotators, eraser, matting, safety_checker, upscaler


class LoadedModel(Protocol):
    """A loaded model of any family, as the registry sees it: something that can be moved, and weighed."""

    name: str
    family: str
    device: torch.device

    @property
    def bytes(self) -> int: ...

    def to(self, device: torch.device) -> None: ...


_LOADERS: dict[str, Callable[[ModelEntry, torch.device, torch.dtype], LoadedModel]] = {
    "sd1": sd1.load,
    "sd2": sd1.load,
    "sdxl": sdxl.load,
    "upscaler": upscaler.load,
    "lama": eraser.load,
    "controlnet": controlnet.load,
    "ip_adapter": ip_adapter.load,
    "decoder": tiny_decoder.load,
    "annotator": annotators.load,
    "lora": lora.load,
    "embedding": textual_inversion.load,
    "matting": matting.load,
    "captioner": captioner.load,
    "enhancer": prompt_enhancer.load,
    "safety": safety_checker.load,
}


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    """The model, on `device`. Raises whatever is wrong with its weights."""
    return _LOADERS[entry.family](entry, device, dtype)


def dtype_for(device: torch.device) -> torch.dtype:
    """Half precision on CUDA, single elsewhere. Never bfloat16, which Turing only emulates, several times slower."""
    return torch.float16 if device.type == "cuda" else torch.float32
