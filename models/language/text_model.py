"""Models that write text token by token. Each is a folder of transformers with weights in safetensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from models.catalog.entry import ModelEntry
from models.loaded_model import TorchModel


class TextModelError(Exception):
    """A folder is not a model of its family; the message says what to give instead."""


class TextModel(TorchModel):
    """A loaded model of transformers with its tokenizer."""

    def __init__(self, entry: ModelEntry, model_class: Any, dtype: torch.dtype) -> None:
        """`model_class` is the class of transformers that reads the folder. Raises TextModelError."""
        transformers_logging.disable_progress_bar()
        try:
            self._model = model_class.from_pretrained(
                entry.path, dtype=dtype, local_files_only=True, use_safetensors=True
            )
            self._tokenizer = AutoTokenizer.from_pretrained(entry.path, local_files_only=True)
        except (OSError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise TextModelError(
                f"{entry.path.name} cannot be read as a model of family {entry.family} ({reason}); give a folder as "
                f"transformers saves it, with a {model_class.__name__} and its tokenizer"
            ) from error
        super().__init__(entry, self._model)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()
