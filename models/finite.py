"""Numbers that are not finite: detected where a net returns them, and traced to the file that they come from.

NaN and infinity become black pixels without any error, so every net's output is checked before it becomes a result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from models.catalog.entry import ModelEntry
from models.files.safetensors_header import read_header
from models.files.weights_error import WeightsError
from models.loading.tensor_file import TensorFile, stamp_of

LARGEST = 65504.0
"""The largest number of half precision. Trained weights are far smaller."""
SCHEDULE = "alphas_cumprod"
"""Part of the keys of noise schedules in single files. No net reads them, and they may be infinite."""


class NotFiniteError(ArithmeticError):
    """A net returned NaN or infinity; the message says which net."""

    code = "not_finite"


def require_finite(source: str, *values: Tensor) -> None:
    """Raises NotFiniteError, with `source` as the net that returned `values`. Waits for their device once."""
    if not bool(torch.stack([each.isfinite().all() for each in values]).all()):
        raise NotFiniteError(f"{source} returned NaN or infinity")


def holds_finite(weights: Tensor) -> bool:
    """Whether all numbers of a tensor of any dtype are finite."""
    return bool(weights.float().isfinite().all())


def explain_fault(entries: Iterable[ModelEntry]) -> str:
    """Which file of these models is the cause, and what to do, as the end of a sentence.

    It reads all their files, the smallest models first, up to the first bad one; each file once, unless it changes.
    """
    for entry in sorted(entries, key=lambda entry: entry.bytes):
        for file in _files_of(entry):
            if (key := _find_bad_tensor(file, _stamp_or_none(file))) is not None:
                return (
                    f"{file.name} of model {entry.name!r} is the cause: its tensor {key!r} has NaN, infinity or "
                    f"numbers beyond ±{LARGEST:g}; fetch or train it again, or do without it"
                )
    return (
        "the files of its models hold only finite numbers, so the computation overflowed: lower guidance_scale, the "
        "scales of LoRAs and the weights in the prompt; if every task of this model fails, it needs more than half "
        "precision: use a version of it that was made for half precision (fp16)"
    )


def _files_of(entry: ModelEntry) -> Iterator[Path]:
    parts = entry.path, entry.encoder, entry.vae, entry.text_encoder, entry.text_encoder_2
    for path in filter(None, parts):
        yield from sorted(path.rglob("*.safetensors")) if path.is_dir() else (path,)


@lru_cache(maxsize=256)
def _find_bad_tensor(file: Path, stamp: tuple[int, ...] | None) -> str | None:
    """The key of the first tensor with a number that is not finite or too large. The result is cached for a stamp of
    the file. A file that is not safetensors, or is gone by now, is not checked."""
    try:
        header = read_header(file)
        with TensorFile(file, header) as opened:
            keys = [key for key in header.tensors if SCHEDULE not in key]
            return next((key for key in keys if not _is_in_range(opened.read(key))), None)
    except (WeightsError, OSError):
        return None


def _stamp_or_none(file: Path) -> tuple[int, ...] | None:
    with suppress(OSError):
        return stamp_of(file)
    return None


def _is_in_range(weights: Tensor) -> bool:
    if not weights.is_floating_point() or not weights.numel():
        return True
    low, high = weights.float().aminmax()  # NaN is neither above nor below any number
    return bool(low >= -LARGEST) and bool(high <= LARGEST)
