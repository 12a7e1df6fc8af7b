"""Reads a tokenizer of transformers from a folder: whole, or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from models.files.weights_error import WeightsError
from models.loading.nets import refused_by_name

WHOLE = "tokenizer.json"
BYTES = 2 * 256
"""Tokens of a byte-level vocabulary that are no merges: each byte within a word, and at its end as CLIP has it."""
SPECIAL = 64
"""More special tokens than any vocabulary has beside them."""


def read_tokenizer(tokenizer_class: Any, folder: Path) -> Any:
    """The tokenizer in a folder. Raises WeightsError.

    Without its vocabulary the library returns a tokenizer to which all words are the same, and with a part of its
    merges one that cuts words into other tokens than the model was trained with.
    """
    if not folder.is_dir():
        raise WeightsError(f"{folder} does not exist; copy the tokenizer of the original model there")
    with refused_by_name(f"the tokenizer in {folder} cannot be read"):
        tokenizer = tokenizer_class.from_pretrained(folder, local_files_only=True)
    needed = [name for name in tokenizer.vocab_files_names.values() if name != WHOLE]
    lost = [name for name in needed if not (folder / name).is_file()]
    if not (folder / WHOLE).is_file() and lost:
        raise WeightsError(
            f"{folder} lacks {lost[0]}; copy {' and '.join(needed)}, or {WHOLE}, of the original model there"
        )
    _check_merges(tokenizer, folder)
    return tokenizer


def _check_merges(tokenizer: Any, folder: Path) -> None:
    """Byte pair encoding has a merge for each token that is longer than one byte."""
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"] if tokenizer.is_fast else {}
    if model.get("type") == "BPE" and len(model["vocab"]) > len(model["merges"]) + BYTES + SPECIAL:
        raise WeightsError(
            f"{folder} has {len(model['vocab'])} tokens, but only {len(model['merges'])} merges, so one of its "
            "files is cut short; copy the tokenizer of the original model again"
        )
