"""The header of a `.safetensors` file: names, shapes and dtypes of its tensors, and its metadata. Torch-free.

The format: eight bytes with the size of the header, little-endian, then the header in JSON, then the tensors.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.files.weights_error import WeightsError
from models.plain_files import open_plain

METADATA = "__metadata__"
MAX_HEADER_BYTES = 100_000_000
"""The limit of the format itself."""
MAX_DIMS = 64
"""More than any tensor has; thousands of them would take hours to multiply."""
_SIZE = struct.Struct("<Q")
_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "I8", "U8", "BOOL"), 8),
}
"""Bits of a number, by dtype. Others are left to the reader of the tensors."""
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


@dataclass(frozen=True, slots=True)
class TensorInfo:
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
        content = json.loads(text.decode("utf-8"))
        metadata = {key: str(value) for key, value in (content.pop(METADATA, None) or {}).items()}
        "".join((*content, *metadata, *metadata.values())).encode()  # half a surrogate pair is no text
        start_of_data = _SIZE.size + size
        tensors = {key: _tensor_info(file, key, value, start_of_data) for key, value in content.items()}
        end = max((value["data_offsets"][1] for value in content.values()), default=0)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise HeaderError(f"{file.name} has a header that is not that of a safetensors file; copy it again") from error
    expected = start_of_data + end
    if length != expected:
        raise HeaderError(f"{file.name} has {length} bytes, but its header says {expected}; copy it again")
    return SafetensorsHeader(tensors, metadata)


def _other_format(start: bytes) -> str:
    """What a file is whose first eight bytes are no size of a header."""
    known = (description for first, description in _OTHERS.items() if start.startswith(first))
    return next(known, "not a safetensors file; convert the model to that format")


def _tensor_info(file: Path, key: str, value: Mapping[str, Any], start_of_data: int) -> TensorInfo:
    """Raises HeaderError, ValueError, TypeError, KeyError."""
    begin, end = value["data_offsets"]
    dtype, shape = value["dtype"], tuple(value["shape"])
    typed = isinstance(dtype, str) and all(type(number) is int for number in (begin, end, *shape))
    if not typed or len(shape) > MAX_DIMS:
        raise HeaderError(f"{file.name} is damaged: its tensor {key} has no right shape, dtype or place; copy it again")
    sized = dtype not in _BITS or math.prod(shape) * _BITS[dtype] == 8 * (end - begin)
    if not sized or not 0 <= begin <= end or min(shape, default=0) < 0:
        raise HeaderError(f"{file.name} is damaged: its tensor {key} has another size than its shape; copy it again")
    return TensorInfo(dtype, shape, start_of_data + begin)
