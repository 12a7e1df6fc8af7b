"""Which forward passes are worth compiling, and which packages are ready in the folder.

A pass runs uncompiled until its package is there, was tried on it and agrees. If the package does not agree, the pass
stays uncompiled. The only step that waits for any of this is the one that a package is tried on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import nn

from models.compiled.forward_pass import ForwardPassSpec, Outputs, PassInputs
from models.compiled.package import InTrialError, Package, PackageError, trial
from models.device_faults import raise_if_lost
from models.files.weights_error import one_line
from pipelines.engine.execution.compile_process import Compiler

log = logging.getLogger(__name__)

COMPILE_AFTER = 40
"""Steps of a pass before it is compiled: a pass that is needed this often will be needed again."""


class Compilation:
    """The packages of a folder, which many workers may share and fill. A worker without write access only reads it."""

    def __init__(self, folder: Path, compile_after: int = COMPILE_AFTER) -> None:
        """Raises OSError if there is no folder and none can be created."""
        self.compiler = Compiler(folder)
        self.failures = 0
        """Packages that could not be used."""
        self._compile_after = compile_after
        self._steps: Counter[str] = Counter()
        self._ready: set[str] = set()
        self._refused: set[str] = set()
        self._packages: dict[str, Package] = {}

    def observe(self, spec: ForwardPassSpec) -> None:
        """Counts a step of this pass, and starts to compile the pass when it has been needed often enough."""
        self._steps[spec.name] += 1
        if self._steps[spec.name] == 1:
            self._look_for(spec)
        if self._steps[spec.name] == self._compile_after and spec.name not in self._ready:
            self.compiler.enqueue(spec)
        if (ended := self.compiler.poll()) is not None:
            self._look_for(ended)

    def has(self, spec: ForwardPassSpec) -> bool:
        """Whether there is a package that was not refused."""
        return spec.name in self._ready and spec.name not in self._refused

    def checked(self, spec: ForwardPassSpec, net: nn.Module, inputs: PassInputs, expected: Outputs) -> Package | None:
        """The package, if it computes `expected` from `inputs`; it is checked once. None if it does not, or if another
        process is trying it."""
        if spec.name not in self._packages:
            file = self.compiler.package(spec)
            try:
                with trial(file):
                    package = Package(file, spec)
                    package.check(net, inputs, expected)
            except InTrialError:
                return None
            except PackageError as error:
                self._refused.add(spec.name)
                self.failures += 1
                log.warning("%s is not used, its steps run uncompiled: %s", file, error)
                return None
            self._packages[spec.name] = package
            log.info("%s: its steps are compiled from now on", spec.name)
        return self._packages[spec.name]

    def refuse(self, spec: ForwardPassSpec, error: Exception) -> None:
        """A package that was checked has failed later. Raises DeviceLostError if the device has."""
        raise_if_lost(error)
        self._packages.pop(spec.name, None)
        self._refused.add(spec.name)
        self.failures += 1
        log.warning("%s failed, its steps run uncompiled: %s", self.compiler.package(spec), one_line(error))

    def finish(self) -> Iterator[tuple[Path, bool]]:
        """Waits for the passes that are still to be compiled: the file of each, and whether it is ready."""
        for ended in self.compiler.finish():
            self._look_for(ended)
            yield self.compiler.package(ended), self.has(ended)

    def _look_for(self, spec: ForwardPassSpec) -> None:
        if self.compiler.package(spec).exists():
            self._ready.add(spec.name)


class CompilingRunner:
    """The PassRunner of one net in a cached step: runs the net itself until its package is ready and checked."""

    def __init__(self, compilation: Compilation) -> None:
        self._compilation = compilation
        self._spec: ForwardPassSpec | None = None
        self._package: Package | None = None
        self._tries_package = False
        """Whether the package is tried on the next pass."""

    @property
    def compiled(self) -> bool:
        """Whether passes run by a package now."""
        return self._package is not None

    def __call__(self, net: nn.Module, inputs: PassInputs, run_uncompiled: Callable[[], Outputs]) -> Outputs:
        if self._package is not None and (results := self._run_package(self._package, net, inputs)) is not None:
            return results
        self._spec = self._spec or ForwardPassSpec.of(net, inputs)
        outputs = run_uncompiled()
        if self._tries_package:
            self._tries_package = False
            self._package = self._compilation.checked(self._spec, net, inputs, outputs)
        return outputs

    def _run_package(self, package: Package, net: nn.Module, inputs: PassInputs) -> Outputs | None:
        """None if it fails. Raises torch.OutOfMemoryError."""
        try:
            return package(net, inputs)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            self._package = None
            if self._spec is not None:
                self._compilation.refuse(self._spec, error)
            return None

    def begin_step(self) -> bool:
        """To be called before each step: whether the package is tried on it, so that graphs captured earlier are
        outdated."""
        if self._package is None and self._spec is not None:
            self._compilation.observe(self._spec)
            self._tries_package = self._compilation.has(self._spec)
        return self._tries_package
