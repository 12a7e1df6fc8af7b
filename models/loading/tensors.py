"""Reads the tensors of safetensors files. The one place that does: what a file cannot tell plainly is refused here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from models.files.safetensors_header import SafetensorsHeader, read_header
from models.files.weights_error import WeightsError, one_line
from models.loading.scaled_weights import FORMAT, SCALES, check_format, check_names, is_companion, scaled

FP8 = frozenset({torch.float8_e4m3fn, torch.float8_e5m2})


def read_tensors(
    *files: Path, dtype: torch.dtype = torch.float32, keep: Callable[[str], bool] = lambda name: True
) -> dict[str, Tensor]:
    """The tensors of one model, by name, on the CPU; those for which `keep` is false are not read.

    Each has the dtype of its file, except those in fp8, which no net computes in: they become `dtype`, multiplied by
    their scales. Raises WeightsError.
    """
    tensors: dict[str, Tensor] = {}
    for file in files:
        header = open_header(file)
        check_names(header.tensors.keys(), file.name)
        tensors |= _read(file, [name for name in header.tensors if keep(name)], header, dtype)
    return tensors


def open_header(file: Path) -> SafetensorsHeader:
    """The header of a file that should be there. Raises WeightsError."""
    try:
        return read_header(file)
    except OSError as error:
        raise WeightsError(f"cannot read {file} ({error.strerror}); put it there, readable by the server") from error


def _read(file: Path, names: Sequence[str], header: SafetensorsHeader, dtype: torch.dtype) -> dict[str, Tensor]:
    tensors = {}
    try:
        with safe_open(file, framework="pt") as opened:
            for name in names:
                module, _, last = name.rpartition(".")
                if last == FORMAT:
                    check_format(name, opened.get_tensor(name), file.name)
                if is_companion(name):
                    continue
                tensor = opened.get_tensor(name)
                scales = [f"{module}.{each}" for each in SCALES if f"{module}.{each}" in header.tensors]
                if last == "weight" and scales:
                    tensor = scaled(tensor, opened.get_tensor(scales[0]), scales[0], file.name).to(dtype)
                elif tensor.dtype in FP8:
                    tensor = tensor.to(dtype)
                if last == "weight" and not tensor.is_floating_point():
                    raise WeightsError(
                        f"{file.name} has whole numbers ({tensor.dtype}) as {name}, so it is quantised in a way that "
                        "is not supported; give it in fp16, bf16 or fp8"
                    )
                tensors[name] = tensor
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{file.name} cannot be read ({one_line(error)}); copy or download it again") from error
    return tensors
