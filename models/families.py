"""Which file loads which family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch

from models import (
    annotators,
    captioner,
    controlnet,
    embedding,
    enhancer,
    eraser,
    ip_adapter,
    lora,
    matting,
    safety,
    sd1,
    sdxl,
    tiny_decoder,
    upscaler,
)
from models.entry import ModelEntry


class Resident(Protocol):
    """A loaded model of any family, as the registry sees it: something that can be moved, and weighed."""

    name: str
    family: str
    device: torch.device

    @property
    def bytes(self) -> int: ...

    def to(self, device: torch.device) -> None: ...


_LOADERS: dict[str, Callable[[ModelEntry, torch.device, torch.dtype], Resident]] = {
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
    "embedding": embedding.load,
    "matting": matting.load,
    "captioner": captioner.load,
    "enhancer": enhancer.load,
    "safety": safety.load,
}


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Resident:
    """The model, on `device`. Raises whatever is wrong with its weights."""
    return _LOADERS[entry.family](entry, device, dtype)


def dtype_for(device: torch.device) -> torch.dtype:
    """Half precision on CUDA, single elsewhere. Never bfloat16, which Turing only emulates, several times slower."""
    return torch.float16 if device.type == "cuda" else torch.float32
