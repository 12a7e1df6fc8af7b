"""The header of a `.safetensors` file: names, shapes and dtypes of its tensors, and its metadata. Torch-free.

The format: eight bytes with the size of the header, little-endian, then the header in JSON, then the tensors.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METADATA = "__metadata__"
MAX_HEADER_BYTES = 100_000_000
"""The limit of the format itself."""
_SIZE = struct.Struct("<Q")


class HeaderError(ValueError):
    """A file is no safetensors file, or a part of one; the message names it and says what to do."""

    code = "bad_model"


@dataclass(frozen=True, slots=True)
class TensorInfo:
    dtype: str
    """As the format calls it: `F32`, `F16`, `BF16`, `F8_E4M3`…"""
    shape: tuple[int, ...]


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
    with file.open("rb") as opened:
        start = opened.read(_SIZE.size)
        if len(start) < _SIZE.size:
            raise HeaderError(f"{file.name} has only {len(start)} bytes; copy it again")
        (size,) = _SIZE.unpack(start)
        if size > MAX_HEADER_BYTES:
            raise HeaderError(f"{file.name} is not a safetensors file; convert the model to that format")
        text = opened.read(size)
        length = opened.seek(0, 2)
    if len(text) < size:
        raise HeaderError(f"{file.name} ends within its header; copy it again")
    try:
        content = json.loads(text)
        metadata = content.pop(METADATA, None) or {}
        tensors = {key: _tensor_info(value) for key, value in content.items()}
        end = max((value["data_offsets"][1] for value in content.values()), default=0)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise HeaderError(f"{file.name} has a header that is not that of a safetensors file; copy it again") from error
    expected = _SIZE.size + size + end
    if length != expected:
        raise HeaderError(f"{file.name} has {length} bytes, but its header says {expected}; copy it again")
    return SafetensorsHeader(tensors, {str(key): str(value) for key, value in dict(metadata).items()})


def _tensor_info(value: Mapping[str, Any]) -> TensorInfo:
    return TensorInfo(str(value["dtype"]), tuple(map(int, value["shape"])))
