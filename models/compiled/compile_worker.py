"""The child process that compiles one forward pass.

`python -m models.compiled.compile_worker PACKAGE` reads the pass from its stdin.

It ends when its parent does, at the latest, and must lead a process group of its own. It needs a C++ compiler, but of
the device next to nothing: weights and inputs are traced as tensors without numbers.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.atomic_write import replacing
from models.compiled.options import OPTIONS

if TYPE_CHECKING:
    from torch import Tensor, nn
    from torch.export import ExportedProgram

    from models.compiled.forward_pass import ForwardPassSpec, TensorLayout

NICE = 19
"""Whoever serves comes first."""
MATRIX = "tl.dot"
"""How a kernel of Triton multiplies matrices."""
LOOK_S = 1.0
"""Between two looks whether the parent is still there."""


class CompilingError(Exception):
    """A pass cannot be compiled here; the message says what to do."""


def compile_pass(wanted: ForwardPassSpec, package: Path) -> None:
    """Writes the package, all at once. Raises CompilingError, or whatever torch says of what it cannot compile."""
    import torch
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler
    from torch._inductor.utils import fresh_cache

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise CompilingError(
            "there is no C++ compiler; install g++, or have the folder filled where there is one (`hua compile`)"
        ) from error
    options = {**OPTIONS, "aot_inductor.metadata": {"pass": wanted.digest}}
    with tempfile.TemporaryDirectory(prefix="hua-compiling-") as place:
        made = str(Path(place) / package.name)
        with fresh_cache(dir=place, delete=False):
            torch._inductor.aoti_compile_and_package(exported(wanted), package_path=made, inductor_configs=options)
        refuse_matrix_products(Path(place))
        with replacing(package) as draft:
            shutil.copyfile(made, draft)


def exported(wanted: ForwardPassSpec) -> ExportedProgram:
    """The pass as a graph whose inputs are all the weights, and then what the net is given."""
    import diffusers
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    with torch.device("meta"):
        net = getattr(diffusers, wanted.net).from_config(wanted.config).eval().requires_grad_(False)
    with FakeTensorMode(), torch.no_grad():
        inputs = tuple(_lying(each, wanted.device) for each in (*wanted.weights, *wanted.given))
        return torch.export.export(_traceable(net, wanted), inputs, strict=False)


def _traceable(net: nn.Module, wanted: ForwardPassSpec) -> nn.Module:
    """The pass as a function of tensors alone."""
    from torch import nn
    from torch.func import functional_call

    from models.compiled.forward_pass import Outputs, numbered_parts, run_net
    from models.patches.cross_attention_cache import cached_cross_attention, text_layers

    def through(*args: Any, **kwargs: Any) -> Any:
        return functional_call(net, lent, args, kwargs)

    lent: dict[str, Tensor] = {}
    weights, given = [name for name, *_ in wanted.weights], [name for name, *_ in wanted.given]
    layers = text_layers(net)

    class Traceable(nn.Module):
        """It has the net without owning it, whose weights are nowhere."""

        def forward(self, *tensors: Tensor) -> Outputs:
            told = dict(zip(given, tensors[len(weights) :], strict=True))
            lent.update(zip(weights, tensors, strict=False))
            with cached_cross_attention(layers, numbered_parts(told, "known")):
                return run_net(through, told)

    return Traceable()


def refuse_matrix_products(cache: Path) -> None:
    """Raises CompilingError if any of the kernels that were written multiplies matrices by itself."""
    for source in cache.rglob("*.py"):
        if MATRIX in source.read_text(encoding="utf-8"):
            raise CompilingError(f"torch wrote a kernel that multiplies matrices ({source.name}); this is a bug")


def _lying(lie: TensorLayout, device: str) -> Tensor:
    import torch

    _, shape, strides, kind = lie
    return torch.empty_strided(shape, strides, dtype=getattr(torch, kind), device=device)


@contextmanager
def alone(package: Path) -> Iterator[None]:
    """Waits for whoever else compiles the same for this folder; where files cannot be locked, for nobody."""
    with package.with_suffix(".lock").open("w") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_S)
    os.killpg(os.getpgrp(), signal.SIGKILL)  # the compilers that it has started, too


def main() -> None:
    os.nice(NICE)
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    package = Path(sys.argv[1])
    with alone(package):
        if package.exists():
            return
        from models.compiled.forward_pass import ForwardPassSpec

        try:
            compile_pass(ForwardPassSpec.from_json(sys.stdin.read()), package)
        except CompilingError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
