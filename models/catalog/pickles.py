"""Pickled weights, which can run code when they are opened, and so are never opened here.

Their suffixes do not tell enough: the weights of ncnn are `.bin` files, too.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from models.files.ncnn_param import BIN, PARAM
from models.files.ncnn_weights import is_ncnn_weights
from models.plain_files import is_file

PICKLES = frozenset({".ckpt", ".pt", ".pth", BIN})


def pickle_message(path: Path) -> str:
    """Why a file with the suffix of a pickle cannot be used, and what to do."""
    return ncnn_message(path) or (
        f"{path.name} is a pickle, which can run code when it is opened; convert it to safetensors: "
        f"hua models convert {shlex.quote(path.name)}"
    )


def ncnn_message(path: Path) -> str | None:
    """The same for the weights of an ncnn net; None for any other file."""
    try:
        if path.suffix.lower() != BIN or not is_ncnn_weights(path):
            return None
    except OSError:
        return None
    text = path.with_suffix("" if path.stem.lower().endswith(PARAM) else PARAM)
    advice = "name that file instead" if text.is_file() else f"{text.name} is missing, put it beside it"
    return f"{path.name} is half of an ncnn model, whose other half is {text.name}; {advice}"


def is_covered(path: Path) -> bool:
    """Whether a file with the suffix of a pickle is no problem: it is converted, or half of an ncnn net."""
    suffix = path.suffix.lower()
    if suffix in PICKLES and is_file(path.with_suffix(".safetensors")):
        return True
    return suffix == BIN and is_file(path.with_suffix(PARAM))
