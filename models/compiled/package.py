"""A forward pass compiled ahead of time (AOTInductor), over weights that stay at their addresses.

Weights are inputs of the compiled code: after other weights are copied or merged into their memory it computes with
those, and nothing is compiled or loaded again.
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
from models.device_faults import raise_if_lost

TOLERANCE = {torch.float16: 2e-2, torch.float32: 1e-3}
"""Largest difference from the net's own results, as a fraction of their norm."""


class PackageError(Exception):
    """A package cannot be used; the message says why."""


class Package:
    """The compiled code of one `ForwardPassSpec`, from a file.

    It runs as code: a user who can write the file decides what this process runs.
    """

    def __init__(self, file: Path, spec: ForwardPassSpec) -> None:
        """Raises PackageError."""
        device = torch.device(spec.device)
        index = -1 if device.type == "cpu" else device.index or 0
        try:
            loaded = torch._inductor.aoti_load_package(file, run_single_threaded=True, device_index=index)
        except Exception as error:
            raise_if_lost(error)
            raise PackageError(f"it cannot be loaded ({_first_line(error)})") from error
        if loaded.get_metadata().get("pass") != spec.digest:
            raise PackageError("it was compiled of another pass")
        self._loader = loaded.loader
        self._strides = [strides for _, _, strides, _ in spec.given]
        self._weights: WeakKeyDictionary[nn.Module, list[Tensor]] = WeakKeyDictionary()

    def __call__(self, net: nn.Module, inputs: PassInputs) -> Outputs:
        if net not in self._weights:
            self._weights[net] = list(weights_of(net).values())
        tensors = map(_with_strides, inputs.values(), self._strides)
        return tuple(self._loader.run([*self._weights[net], *tensors]))

    def check(self, net: nn.Module, inputs: PassInputs, expected: Outputs) -> None:
        """Raises PackageError unless it computes what the net itself computed, within `TOLERANCE`."""
        try:
            results = self(net, inputs)
        except RuntimeError as error:
            raise_if_lost(error)
            raise PackageError(f"it fails ({_first_line(error)})") from error
        for one, other in zip(results, expected, strict=True):
            distance, most = float((one - other).float().norm()), TOLERANCE[other.dtype] * float(other.float().norm())
            if not distance <= most:
                raise PackageError(f"its results differ from the net's by {distance:.2g}, more than {most:.2g}")


class InTrialError(PackageError):
    """Another process is trying the same package."""


@contextmanager
def trial(file: Path) -> Iterator[None]:
    """Guards the first use of a package, which may end the process: then a mark stays, and the package is not tried
    again on this machine.

    Raises PackageError if there is such a mark, InTrialError while another process tries the package.
    """
    mark = mark_of(file)
    with os.fdopen(os.open(mark, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+") as opened:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InTrialError("another process is trying it") from error
        if opened.read():
            raise PackageError(f"a process ended while it tried it; delete {mark} to have it tried again")
        opened.write("on trial\n")
        opened.flush()
        try:
            yield
        except BaseException as error:
            raise_if_lost(error)  # the process ends; the mark must stay
            _wipe(opened, mark)
            raise
        _wipe(opened, mark)


def mark_of(file: Path) -> Path:
    """In a folder of this machine, not in the shared one: code that ends a process here may work on other machines."""
    return Path(tempfile.gettempdir()) / f"hua-{file.stem}.trial"


def _wipe(mark_file: TextIO, mark: Path) -> None:
    """Truncates the mark before it is removed: another process may have the file open and wait for its lock."""
    mark_file.truncate(0)
    mark.unlink(missing_ok=True)


def _with_strides(tensor: Tensor, strides: tuple[int, ...]) -> Tensor:
    """The tensor with the strides that compiled code relies on."""
    if tensor.stride() == strides:
        return tensor
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device=tensor.device).copy_(tensor)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
