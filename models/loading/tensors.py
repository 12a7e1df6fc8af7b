"""Reads the tensors of safetensors files. The one place that does: what a file cannot tell plainly is refused here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch
from torch import Tensor

from models.files.safetensors_header import SafetensorsHeader, read_header
from models.files.weights_error import WeightsError, one_line
from models.loading.scaled_weights import FORMAT, SCALES, check_format, check_names, is_companion, scaled
from models.loading.tensor_file import DTYPES, TensorFile, stamp_of

FP8 = frozenset({"F8_E4M3", "F8_E5M2"})
"""What no net computes in."""


def read_tensors(
    *files: Path, dtype: torch.dtype | None = None, keep: Callable[[str], bool] = lambda name: True
) -> dict[str, Tensor]:
    """The tensors of one model, by name, on the CPU; those for which `keep` is false are not read.

    Floats become `dtype` as they are read, so that no second copy of the model is in memory; without it they keep the
    dtype of their file, and fp8 becomes float32. Weights with a scale are multiplied by it. Raises WeightsError.
    """
    tensors: dict[str, Tensor] = {}
    for file in files:
        before, header = _stamp_or_none(file), open_header(file)
        check_names(header.tensors.keys(), file.name)
        with _readable(file), TensorFile(file, header) as opened:
            tensors |= _read(opened, file, [name for name in header.tensors if keep(name)], header, dtype)
            if opened.stamp != before:
                raise WeightsError(
                    f"{file.name} was changed while it was read; it is read again when it stays as it is"
                )
    return tensors


def open_header(file: Path) -> SafetensorsHeader:
    """The header of a file that should be there. Raises WeightsError."""
    try:
        return read_header(file)
    except OSError as error:
        raise WeightsError(f"cannot read {file} ({error.strerror}); put it there, readable by the server") from error


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WeightsError(f"{file.name} cannot be read ({one_line(error)}); copy or download it again") from error


def _stamp_or_none(file: Path) -> tuple[int, int, int] | None:
    """None for a file that is away; reading its header says so."""
    with suppress(OSError):
        return stamp_of(file)
    return None


def _read(
    opened: TensorFile, file: Path, names: Sequence[str], header: SafetensorsHeader, dtype: torch.dtype | None
) -> dict[str, Tensor]:
    tensors = {}
    for name in names:
        if name.rpartition(".")[2] == FORMAT:
            check_format(name, opened.read(name), file.name)
        if not is_companion(name):
            tensors[name] = _read_one(opened, name, header, dtype, file.name)
    return tensors


def _read_one(opened: TensorFile, name: str, header: SafetensorsHeader, dtype: torch.dtype | None, file: str) -> Tensor:
    module, _, last = name.rpartition(".")
    stored = header.tensors[name].dtype
    if last == "weight" and stored in DTYPES and not DTYPES[stored].is_floating_point:
        raise WeightsError(
            f"{file} has whole numbers ({DTYPES[stored]}) as {name}, so it is quantised in a way that is not "
            "supported; give it in fp16, bf16 or fp8"
        )
    if dtype is None and stored in FP8:
        dtype = torch.float32
    scales = [f"{module}.{each}" for each in SCALES if f"{module}.{each}" in header.tensors]
    if last == "weight" and scales:
        weight = scaled(opened.read(name), opened.read(scales[0]), scales[0], file)
        return weight if dtype is None else weight.to(dtype)
    return opened.read(name, dtype)
