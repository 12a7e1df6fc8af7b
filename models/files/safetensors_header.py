"""The header of a `.safetensors` file: names, shapes and dtypes of its tensors, and its metadata. Torch-free.

The format: eight bytes with the size of the header, little-endian, then the header in JSON, then the tensors.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain, starmap
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

from pydantic_core import from_json

from models.files.weights_error import WeightsError
from models.plain_files import open_plain

METADATA = "__metadata__"
MAX_HEADER_BYTES = 100_000_000
"""The limit of the format itself."""
MAX_DIMS = 64
"""More than any tensor has; thousands of them would take hours to multiply."""
_FIELDS = itemgetter("dtype", "shape", "data_offsets")
_SIZE = struct.Struct("<Q")
_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"), 8),
}
"""Bits of a number, by dtype. Others are left to the reader of the tensors."""
_BROKEN = "has a header that is not that of a safetensors file; copy it again"
_OTHERS = {
    b"version ": "a pointer of Git LFS, not the file itself; run `git lfs pull`",
    b"<": "a web page; download the file itself",
    b"PK\x03\x04": "a pickle of torch under another name, not a safetensors file; convert the model to that format",
    b"\x80": "a pickle under another name, not a safetensors file; convert the model to that format",
    b"GGUF": "a GGUF file under another name, not a safetensors file; get the model in that format",
    bytes(8): "full of zeros: it was not copied whole; copy it again",
}
"""What a file is that was renamed, or fetched wrongly, by its first bytes."""


class HeaderError(WeightsError):
    """A file is no safetensors file, or a part of one; the message names it and says what to do."""


class TensorInfo(NamedTuple):
    dtype: str
    """As the format calls it: `F32`, `F16`, `BF16`, `F8_E4M3`…"""
    shape: tuple[int, ...]
    offset: int = 0
    """Where its bytes begin in the file."""


@dataclass(frozen=True, slots=True)
class SafetensorsHeader:
    tensors: Mapping[str, TensorInfo]
    """By key, in the order of the file."""
    metadata: Mapping[str, str]
    key_lines: str
    """All keys, each between two ends of lines: to search them at once takes a fraction of the time."""

    def shape(self, key: str) -> tuple[int, ...]:
        """() if there is no such tensor."""
        return self.tensors[key].shape if key in self.tensors else ()


def read_header(file: Path) -> SafetensorsHeader:
    """Raises HeaderError, also if the file is shorter or longer than its header says. Raises OSError."""
    with open_plain(file) as opened:
        start = opened.read(_SIZE.size)
        if len(start) < _SIZE.size:
            raise HeaderError(f"{file.name} has only {len(start)} bytes; copy it again")
        (size,) = _SIZE.unpack(start)
        if not 0 < size <= MAX_HEADER_BYTES:
            raise HeaderError(f"{file.name} is {_other_format(start)}")
        text = opened.read(size)
        length = opened.seek(0, 2)
    if len(text) < size:
        raise HeaderError(f"{file.name} ends within its header; copy it again")
    try:
        content = from_json(text)
        metadata = {key: str(value) for key, value in (content.pop(METADATA, None) or {}).items()}
        tensors, expected = _read_tensors(file, content, _SIZE.size + size)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise HeaderError(f"{file.name} {_BROKEN}") from error
    if length != expected:
        raise HeaderError(f"{file.name} has {length} bytes, but its header says {expected}; copy it again")
    return SafetensorsHeader(tensors, metadata, "\n".join(("", *tensors, "")))


def _other_format(start: bytes) -> str:
    """What a file is whose first eight bytes are no size of a header."""
    known = (description for first, description in _OTHERS.items() if start.startswith(first))
    return next(known, "not a safetensors file; convert the model to that format")


def _read_tensors(file: Path, content: Mapping[str, Any], start: int) -> tuple[dict[str, TensorInfo], int]:
    """The tensors whose bytes begin at `start`, and where they end.

    Raises HeaderError, ValueError, TypeError, KeyError. A models folder may have a million tensors: what is done for
    each is a part of the time of the first scan.
    """
    if not content:
        return {}, start
    dtypes, shapes, places = zip(*map(_FIELDS, content.values()), strict=True)
    begins, ends = zip(*places, strict=True)
    numbers = [*chain.from_iterable(shapes), *begins, *ends]
    typed = {*map(type, dtypes)} == {str} and {*map(type, numbers)} == {int}
    if not typed or min(numbers) < 0 or max(map(len, shapes)) > MAX_DIMS:
        raise HeaderError(f"{file.name} {_BROKEN}")
    for key, dtype, shape, begin, end in zip(content, dtypes, shapes, begins, ends, strict=True):
        if begin > end or (dtype in _BITS and math.prod(shape) * _BITS[dtype] != 8 * (end - begin)):
            damage = f"its tensor {key} has another size than its shape"
            raise HeaderError(f"{file.name} is damaged: {damage}; copy it again")
    offsets = [start + begin for begin in begins]
    infos = starmap(TensorInfo, zip(dtypes, map(tuple, shapes), offsets, strict=True))
    return dict(zip(content, infos, strict=True)), start + max(ends)
