"""A folder as one tar file in parts of a size that a disk, a mail or a gateway takes: `cat NAME.tar.* | tar x`."""

from __future__ import annotations

import hashlib
import re
import tarfile
from pathlib import Path

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SMALLEST = 1 << 10


class SizeError(ValueError):
    """The size cannot be read; the message says how to write one."""


def parse_size(text: str) -> int:
    """Bytes of 2G, 700M. Raises SizeError."""
    found = re.fullmatch(r"(\d+)([KMG]?)i?B?", text.strip(), re.IGNORECASE)
    size = int(found[1]) * UNITS[found[2].upper()] if found else 0
    if size < SMALLEST:
        raise SizeError(f"SPLIT is {text!r}; write a size such as 2G or 700M")
    return size


class Parts:
    """A file to write into that continues in the next part when one is full."""

    def __init__(self, name: Path, part_bytes: int) -> None:
        self._name, self._part_bytes = name, part_bytes
        self.files: list[Path] = []
        self._left = 0

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            if not self._left:
                self.files.append(self._name.with_name(f"{self._name.name}.{len(self.files):03}"))
                self.files[-1].unlink(missing_ok=True)
                self._left = self._part_bytes
            piece = rest[: self._left]
            with self.files[-1].open("ab") as part:
                part.write(piece)
            self._left -= len(piece)
            rest = rest[len(piece) :]
        return len(data)


def write_parts(folder: Path, part_bytes: int) -> list[Path]:
    """Writes FOLDER.tar.000, .001 … and FOLDER.tar.sha256 beside the folder; parts of an earlier run are deleted."""
    name = folder.with_name(f"{folder.name}.tar")
    for old in folder.parent.glob(f"{name.name}.*"):
        old.unlink()
    parts = Parts(name, part_bytes)
    with tarfile.open(fileobj=parts, mode="w|", bufsize=1 << 20) as tar:  # type: ignore[call-overload]
        tar.add(folder, arcname=folder.name)
    sums = folder.with_name(f"{name.name}.sha256")
    sums.write_text("".join(f"{sha256(part)}  {part.name}\n" for part in parts.files), encoding="utf-8")
    return parts.files


def sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
