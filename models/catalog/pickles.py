"""Pickled weights, which can run code when they are opened, and so are never opened here."""

from __future__ import annotations

import shlex
from pathlib import Path

PICKLES = frozenset({".ckpt", ".pt", ".pth", ".bin"})


def pickle_message(path: Path) -> str:
    return (
        f"{path.name} is a pickle, which can run code when it is opened; convert it to safetensors: "
        f"hua models convert {shlex.quote(path.name)}"
    )


def is_converted(path: Path) -> bool:
    """Whether a pickle has its safetensors beside it, so that it is no problem any more."""
    return path.suffix.lower() in PICKLES and path.with_suffix(".safetensors").is_file()
