"""Programs that are built with `go install`, once, in a version of our choice."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

FOLDER = Path.home() / ".cache" / "hua-test"


class GoBuildError(Exception):
    """The program cannot be built; the message says what is missing."""


def path_of(name: str, module: str) -> Path:
    """Where the program is, once it is built. `module` ends with @VERSION."""
    return FOLDER / f"{name}-{module.rpartition('@')[2]}"


def go_program(name: str, module: str) -> Path:
    """The program of a Go module, built if it is missing, under this name. Raises GoBuildError."""
    program = path_of(name, module)
    if not program.exists():
        _build(name, module, program)
    return program


def _build(name: str, module: str, program: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise GoBuildError(f"{name} has to be built, and there is no go; install Go 1.26 or newer")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=FOLDER, prefix=f"{name}-") as draft:
        command, environment = [go, "install", "-ldflags=-s -w", module], os.environ | {"GOBIN": draft}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if result.returncode:
            raise GoBuildError(f"{name} cannot be built; Go 1.26 or newer is needed:\n{result.stderr}")
        [built] = Path(draft).iterdir()
        built.rename(program)
