"""A forward pass that was compiled ahead of time (AOTInductor), over weights that stay where they are.

Weights are inputs of its code like any other: whoever is copied or merged into their memory is computed with from then
on, and nothing is compiled or loaded anew.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from models.compiled.forward_pass import ForwardPassSpec, Outputs, PassInputs
from models.compiled.static_weights import weights_of

CLOSE = {torch.float16: 2e-2, torch.float32: 1e-3}
"""How far it may be from the pass as it is, as a share of its norm."""


class PackageError(Exception):
    """A package cannot be used; the message says why."""


class Package:
    """Compiled code in a file, for one `Pass`; it is code, so whoever can write the file decides what is run."""

    def __init__(self, file: Path, wanted: ForwardPassSpec) -> None:
        """Raises PackageError."""
        device = torch.device(wanted.device)
        index = -1 if device.type == "cpu" else device.index or 0
        try:
            loaded = torch._inductor.aoti_load_package(file, run_single_threaded=True, device_index=index)
        except torch.AcceleratorError:
            raise
        except Exception as error:
            raise PackageError(f"it cannot be loaded ({_first_line(error)})") from error
        if loaded.get_metadata().get("pass") != wanted.digest:
            raise PackageError("it was made of something else")
        self._loader = loaded.loader
        self._strides = [strides for _, _, strides, _ in wanted.given]
        self._weights: WeakKeyDictionary[nn.Module, list[Tensor]] = WeakKeyDictionary()

    def __call__(self, net: nn.Module, given: PassInputs) -> Outputs:
        if net not in self._weights:
            self._weights[net] = list(weights_of(net).values())
        inputs = map(_laid, given.values(), self._strides)
        return tuple(self._loader.run([*self._weights[net], *inputs]))

    def check(self, net: nn.Module, given: PassInputs, expected: Outputs) -> None:
        """Raises PackageError unless it makes of this what the net itself has made of it."""
        try:
            found = self(net, given)
        except torch.AcceleratorError:
            raise
        except RuntimeError as error:
            raise PackageError(f"it fails ({_first_line(error)})") from error
        for one, other in zip(found, expected, strict=True):
            away, most = float((one - other).float().norm()), CLOSE[other.dtype] * float(other.float().norm())
            if not away <= most:
                raise PackageError(
                    f"its results are {away:.2g} away from what they should be, where {most:.2g} is much"
                )


class InTrialError(PackageError):
    """Another process tries the same package at this moment."""


@contextmanager
def trial(file: Path) -> Iterator[None]:
    """For the first use of a package, which may end the process: that leaves a mark, and nobody here tries it again.

    Raises PackageError if there is such a mark, InTrialError if another process is at it.
    """
    mark = mark_of(file)
    with os.fdopen(os.open(mark, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InTrialError("another process tries it") from error
        if held.read():
            raise PackageError(f"a process ended while it tried it; delete {mark} to have it tried again")
        held.write("on trial\n")
        held.flush()
        try:
            yield
        except torch.AcceleratorError:
            raise  # which ends the process
        except BaseException:
            _wipe(held, mark)
            raise
        _wipe(held, mark)


def mark_of(file: Path) -> Path:
    """On this machine alone, for what ends a process here may serve elsewhere."""
    return Path(tempfile.gettempdir()) / f"hua-{file.stem}.trial"


def _wipe(held: TextIO, mark: Path) -> None:
    """Another may have the file open already, and wait to look into it."""
    held.truncate(0)
    mark.unlink(missing_ok=True)


def _laid(tensor: Tensor, strides: tuple[int, ...]) -> Tensor:
    """The tensor with these strides, which compiled code takes for granted."""
    if tensor.stride() == strides:
        return tensor
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
