"""Loads a model by the loader that its family names."""

from __future__ import annotations

import torch

from models.catalog.entry import ModelEntry
from models.kinds import FAMILIES
from models.loaded_model import LoadedModel


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    """The model, on `device`. Raises whatever its loader raises for its weights."""
    model: LoadedModel = FAMILIES[entry.family].import_loader()(entry, device, dtype)
    return model


def dtype_for(device: torch.device) -> torch.dtype:
    """Half precision on CUDA, single elsewhere. Never bfloat16: Turing only emulates it, several times slower."""
    return torch.float16 if device.type == "cuda" else torch.float32
