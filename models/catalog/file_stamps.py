"""The files of a model, and a stamp that tells whether one of them has changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from models.files.ncnn_param import weights_file

Stamp = tuple[int, ...]
"""Size and time of each file, one after another."""


def stamp_of(path: Path) -> Stamp:
    """Of the file or of all files in the folder. Raises OSError."""
    statuses = (file.stat() for file in files_at(path))
    return tuple(number for status in statuses for number in (status.st_size, status.st_mtime_ns))


def newest_at(path: Path) -> float:
    """Unix seconds of the last change of a file there. Raises OSError."""
    return max((file.stat().st_mtime for file in files_at(path)), default=path.stat().st_mtime)


def files_at(path: Path) -> Iterator[Path]:
    """The file, for an ncnn net also its other half; or all files in the folder. Of a link to a folder the link itself:
    it could lead to the whole disk."""
    if path.is_dir() and not path.is_symlink():
        yield from (file for file in sorted(path.rglob("*")) if file.is_file())
        return
    yield path
    if (weights := weights_file(path)) != path and weights.is_file():
        yield weights
