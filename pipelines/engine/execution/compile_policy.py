"""Which forward passes are worth compiling, and what has come of it: packages in a folder.

A pass runs as it is until its package is there, was tried on it and agrees; one whose package does not, runs as it is
for good. No step waits for any of this but the one that a package is tried on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from torch import nn

from models.compiled.forward_pass import ForwardPassSpec, Outputs, PassInputs
from models.compiled.package import InTrialError, Package, PackageError, trial
from pipelines.engine.execution.compile_process import Compiler

log = logging.getLogger(__name__)

WORTH = 40
"""Steps after which a pass is compiled, for it seems to be asked for."""


class Compilation:
    """The packages of a folder, which many workers may share and fill; one that may not write there uses what there
    is."""

    def __init__(self, folder: Path, worth: int = WORTH) -> None:
        """Raises OSError if there is no folder and none can be made."""
        self.compiler = Compiler(folder)
        self._worth = worth
        self._steps: Counter[str] = Counter()
        self._there: set[str] = set()
        self._refused: set[str] = set()
        self._packages: dict[str, Package] = {}

    def met(self, wanted: ForwardPassSpec) -> None:
        """A step of this pass is about to be taken."""
        self._steps[wanted.name] += 1
        if self._steps[wanted.name] == 1:
            self._look_for(wanted)
        if self._steps[wanted.name] == self._worth and wanted.name not in self._there:
            self.compiler.ask(wanted)
        if (ended := self.compiler.ended()) is not None:
            self._look_for(ended)

    def has(self, wanted: ForwardPassSpec) -> bool:
        """Whether there is a package that may do for it."""
        return wanted.name in self._there and wanted.name not in self._refused

    def tried(self, wanted: ForwardPassSpec, net: nn.Module, given: PassInputs, expected: Outputs) -> Package | None:
        """Its package, once that was seen to make of `given` what is expected."""
        if wanted.name not in self._packages:
            file = self.compiler.package(wanted)
            try:
                with trial(file):
                    package = Package(file, wanted)
                    package.check(net, given, expected)
            except InTrialError:
                return None
            except PackageError as error:
                self._refused.add(wanted.name)
                log.warning("%s is not used, and its steps run as they are: %s", file, error)
                return None
            self._packages[wanted.name] = package
            log.info("%s: its steps are compiled from now on", wanted.name)
        return self._packages[wanted.name]

    def finish(self) -> Iterator[tuple[Path, bool]]:
        """Waits for what is still to be compiled: each one's file, and whether it is there."""
        for ended in self.compiler.finish():
            self._look_for(ended)
            yield self.compiler.package(ended), self.has(ended)

    def _look_for(self, wanted: ForwardPassSpec) -> None:
        if self.compiler.package(wanted).exists():
            self._there.add(wanted.name)


class Forward:
    """How one net's pass is run in a step that is kept: as it is, and by its package once there is one."""

    def __init__(self, compilation: Compilation) -> None:
        self._compilation = compilation
        self._pass: ForwardPassSpec | None = None
        self._package: Package | None = None
        self._due = False
        """Whether the next pass is the one to try its package on."""

    def __call__(self, net: nn.Module, given: PassInputs, as_it_is: Callable[[], Outputs]) -> Outputs:
        if self._package is not None:
            return self._package(net, given)
        self._pass = self._pass or ForwardPassSpec.of(net, given)
        made = as_it_is()
        if self._due:
            self._due = False
            self._package = self._compilation.tried(self._pass, net, given, made)
        return made

    def changes(self) -> bool:
        """Whether the step that is about to be taken is the last one before it runs by a package, so that no graph of
        those before will do."""
        if self._package is None and self._pass is not None:
            self._compilation.met(self._pass)
            self._due = self._compilation.has(self._pass)
        return self._due
