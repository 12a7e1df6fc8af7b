"""Models that write text token by token. Each is a folder of transformers with weights in safetensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import AutoTokenizer

from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.loaded_model import TorchModel
from models.loading.nets import read_transformers_net
from models.loading.tokenizer import read_tokenizer


class TextModelError(WeightsError):
    """A folder is not a model of its family; the message says what to give instead."""


class TextModel(TorchModel):
    """A loaded model of transformers with its tokenizer."""

    def __init__(self, entry: ModelEntry, model_class: Any, dtype: torch.dtype) -> None:
        """`model_class` is the class of transformers for the net. Raises TextModelError."""
        try:
            self._model = read_transformers_net(model_class, entry.path, dtype)
            self._tokenizer = read_tokenizer(AutoTokenizer, entry.path)
        except WeightsError as error:
            raise TextModelError(
                f"{entry.path.name} cannot be read as a model of family {entry.family} ({error}); give a folder as "
                f"transformers saves it, with a {model_class.__name__} and its tokenizer"
            ) from error
        super().__init__(entry, self._model)

    def text(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        text: str = self._tokenizer.decode(tokens, skip_special_tokens=True)
        return text.strip()
