"""The child process that compiles one forward pass.

`python -m models.compiled.compile_worker PACKAGE` reads the ForwardPassSpec from its stdin.

It ends with its parent at the latest, and must lead a process group of its own. It needs a C++ compiler, but almost no
device memory: weights and inputs are traced as tensors without numbers.
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
"""The lowest priority: tasks in progress come first."""
MATRIX_PRODUCT = "tl.dot"
"""How a Triton kernel multiplies matrices."""
PARENT_CHECK_S = 1.0
"""Time between two checks whether the parent still runs."""


class CompilingError(Exception):
    """A pass cannot be compiled here; the message says what to do."""


def compile_pass(spec: ForwardPassSpec, package: Path) -> None:
    """Writes the package atomically. Raises CompilingError, or torch's own error if torch cannot compile the pass."""
    import torch
    from torch._inductor.cpp_builder import get_cpp_compiler
    from torch._inductor.exc import InvalidCxxCompiler
    from torch._inductor.utils import fresh_cache

    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise CompilingError(
            "there is no C++ compiler; install g++, or fill the folder on a machine that has one (`hua compile`)"
        ) from error
    options = {**OPTIONS, "aot_inductor.metadata": {"pass": spec.digest}}
    with tempfile.TemporaryDirectory(prefix="hua-compiling-") as folder:
        compiled = str(Path(folder) / package.name)
        with fresh_cache(dir=folder, delete=False):
            torch._inductor.aoti_compile_and_package(exported(spec), package_path=compiled, inductor_configs=options)
        refuse_matrix_products(Path(folder))
        with replacing(package) as draft:
            shutil.copyfile(compiled, draft)


def exported(spec: ForwardPassSpec) -> ExportedProgram:
    """The pass as a graph whose inputs are all weights, followed by the inputs of the net."""
    import diffusers
    import torch
    from torch._subclasses.fake_tensor import FakeTensorMode

    with torch.device("meta"):
        net = getattr(diffusers, spec.net).from_config(spec.config).eval().requires_grad_(False)
    with FakeTensorMode(), torch.no_grad():
        inputs = tuple(_empty(each, spec.device) for each in (*spec.weights, *spec.given))
        return torch.export.export(_traceable(net, spec), inputs, strict=False)


def _traceable(net: nn.Module, spec: ForwardPassSpec) -> nn.Module:
    """The pass as a function of tensors alone."""
    from torch import nn
    from torch.func import functional_call

    from models.compiled.forward_pass import Outputs, numbered_parts, run_net
    from models.patches.cross_attention_cache import cached_cross_attention, text_layers

    def call_net(*args: Any, **kwargs: Any) -> Any:
        return functional_call(net, weights, args, kwargs)

    weights: dict[str, Tensor] = {}
    weight_names, input_names = [name for name, *_ in spec.weights], [name for name, *_ in spec.given]
    layers = text_layers(net)

    class Traceable(nn.Module):
        """Does not own the net as a submodule: the net's own weights have no memory."""

        def forward(self, *tensors: Tensor) -> Outputs:
            weights.update(zip(weight_names, tensors, strict=False))
            inputs = dict(zip(input_names, tensors[len(weight_names) :], strict=True))
            with cached_cross_attention(layers, numbered_parts(inputs, "known")):
                return run_net(call_net, inputs)

    return Traceable()


def refuse_matrix_products(cache: Path) -> None:
    """Raises CompilingError if a kernel that torch wrote multiplies matrices by itself."""
    for source in cache.rglob("*.py"):
        if MATRIX_PRODUCT in source.read_text(encoding="utf-8"):
            raise CompilingError(f"torch wrote a kernel that multiplies matrices ({source.name}); this is a bug")


def _empty(layout: TensorLayout, device: str) -> Tensor:
    import torch

    _, shape, strides, dtype = layout
    return torch.empty_strided(shape, strides, dtype=getattr(torch, dtype), device=device)


@contextmanager
def locked(package: Path) -> Iterator[None]:
    """Waits for other processes that compile the same package; does not wait where files cannot be locked."""
    with package.with_suffix(".lock").open("w") as lock:
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(PARENT_CHECK_S)
    os.killpg(os.getpgrp(), signal.SIGKILL)  # the compilers that it started, too


def main() -> None:
    os.nice(NICE)
    threading.Thread(target=_end_with, args=[os.getppid()], daemon=True).start()
    package = Path(sys.argv[1])
    with locked(package):
        if package.exists():
            return
        from models.compiled.forward_pass import ForwardPassSpec

        try:
            compile_pass(ForwardPassSpec.from_json(sys.stdin.read()), package)
        except CompilingError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
