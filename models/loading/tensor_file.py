"""An open safetensors file, whose tensors are read one at a time into memory of their own.

The file is not mapped into memory. Mapped weights count twice while they are cast, and a file that is cut short or
written over while its model is in use would end the process.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

import torch
from torch import Tensor

from models.files.safetensors_header import SafetensorsHeader
from models.files.weights_error import WeightsError

DTYPES = {
    **{"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16},
    **{"F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "F8_E8M0": torch.float8_e8m0fnu},
    **{"I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "BOOL": torch.bool},
    **{"U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16, "U8": torch.uint8, "C64": torch.complex64},
}


def stamp_of(file: Path) -> tuple[int, int, int]:
    """Other values for another file, or if it was written to. Raises OSError."""
    return _stamp(file.stat())


def _stamp(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


class TensorFile:
    """A context manager. Opening and reading raise OSError; reading raises WeightsError."""

    def __init__(self, file: Path, header: SafetensorsHeader) -> None:
        self._name = file.name
        self._header = header
        self._descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        self._scratch = torch.empty(0, dtype=torch.uint8)
        """Holds one tensor until it is cast."""

    @property
    def stamp(self) -> tuple[int, int, int]:
        """As `stamp_of`, of the file that is open, even if its name is that of another one now."""
        return _stamp(os.fstat(self._descriptor))

    def read(self, name: str, dtype: torch.dtype | None = None) -> Tensor:
        """The tensor; one of floats is cast to `dtype`, if there is one."""
        info = self._header.tensors[name]
        if info.dtype not in DTYPES:
            raise WeightsError(f"{self._name} has {name} in {info.dtype}, which is not supported; give it in fp16")
        stored = DTYPES[info.dtype]
        if dtype is None or dtype == stored or not stored.is_floating_point:
            tensor = torch.empty(info.shape, dtype=stored)
            self._read_into(tensor, name, info.offset)
            return tensor
        tensor = self._borrow(info.shape, stored)
        self._read_into(tensor, name, info.offset)
        return tensor.to(dtype)

    def __enter__(self) -> TensorFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._descriptor)

    def _borrow(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """A tensor in the scratch memory, until the next call."""
        empty = torch.empty(shape, dtype=dtype, device="meta")
        if self._scratch.numel() < empty.nbytes:
            self._scratch = torch.empty(empty.nbytes, dtype=torch.uint8)
        return self._scratch[: empty.nbytes].view(dtype).view(shape)

    def _read_into(self, tensor: Tensor, name: str, offset: int) -> None:
        memory = tensor.view(-1).view(torch.uint8).numpy().data
        while memory:
            count = os.preadv(self._descriptor, [memory], offset)
            if not count:
                raise WeightsError(f"{self._name} ends within {name}; copy or download it again")
            memory, offset = memory[count:], offset + count
