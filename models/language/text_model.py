"""Models that answer in words, token by token: a folder as transformers saves it, its weights in safetensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from models.catalog.entry import ModelEntry


class SpeakerError(Exception):
    """A folder holds no model of its family; the message says what to give instead."""


class TextModel:
    """What the registry needs of such a model, and its tokenizer."""

    def __init__(self, entry: ModelEntry, kind: Any, device: torch.device, dtype: torch.dtype) -> None:
        """`kind` is the class of transformers that reads the folder. Raises SpeakerError."""
        self.name = entry.name
        self.family: str = entry.family
        self.device = device
        transformers_logging.disable_progress_bar()
        try:
            self._model = kind.from_pretrained(entry.path, dtype=dtype, local_files_only=True, use_safetensors=True)
            self._tokenizer = AutoTokenizer.from_pretrained(entry.path, local_files_only=True)
        except (OSError, ValueError, RuntimeError) as error:
            first = " ".join(str(error).split())[:200]
            raise SpeakerError(
                f"{entry.path.name} cannot be read as a model of family {entry.family} ({first}); give a folder as "
                f"transformers saves it, of a {kind.__name__} and its tokenizer"
            ) from error
        self._model.to(device).eval().requires_grad_(False)

    @property
    def bytes(self) -> int:
        """What the weights take, wherever they are."""
        return sum(tensor.nbytes for tensor in (*self._model.parameters(), *self._model.buffers()))

    def to(self, device: torch.device) -> None:
        self._model.to(device)
        self.device = device

    def text(self, tokens: Sequence[int]) -> str:
        """What these tokens say."""
        said: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return said.strip()
