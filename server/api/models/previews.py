"""The picture beside a model's file, as model sites and other programs store it: `NAME.png` or `NAME.preview.png`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from models.plain_files import resolve

SUFFIXES = tuple(f"{middle}.{kind}" for kind in ("png", "jpg", "jpeg", "webp") for middle in (".preview", ""))
WEIGHTS = frozenset({".safetensors", ".onnx", ".param"})
"""Suffixes of model files; the name of a folder may have a dot, too."""


def find_preview(model: Path, folders: Sequence[Path]) -> Path | None:
    """The picture of the model at this path; None if there is none inside of one of these folders, links followed."""
    stem = model.stem if model.suffix.lower() in WEIGHTS else model.name
    try:
        names = _names_in(model.parent, model.parent.stat().st_mtime_ns)
    except OSError:
        return None
    pictures = (model.parent / (stem + suffix) for suffix in SUFFIXES if stem + suffix in names)
    return next((picture for picture in pictures if _is_inside(picture, folders)), None)


def _is_inside(picture: Path, folders: Sequence[Path]) -> bool:
    """A link must not lead to other files of the machine."""
    try:
        return any(resolve(picture).is_relative_to(folder) for folder in folders)
    except OSError:  # it is a link in a circle
        return False


@lru_cache(maxsize=256)
def _names_in(folder: Path, mtime_ns: int) -> frozenset[str]:
    """The list of all models asks for every file of a folder, and again and again. Raises OSError."""
    return frozenset(path.name for path in folder.iterdir())
