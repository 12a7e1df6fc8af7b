"""What a file imports, read from its source: nothing is imported to find out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = ("benchmarks", "deploy", "models", "pipelines", "server", "helm", "tests")


@cache
def reached(file: Path) -> frozenset[str]:
    """The modules that importing `file` imports, directly or through our own files: "torch", "server.task"."""
    found: set[str] = set()
    waiting = [file]
    while waiting:
        for module in imported(waiting.pop()) - found:
            found.add(module)
            waiting += _files(module)
    return frozenset(found)


@cache
def imported(file: Path) -> frozenset[str]:
    """The modules that the top level of a file names, each with the packages around it.

    Left out is what functions import later, and what only a type checker sees.
    """
    names: set[str] = set()
    for node in _top_level(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # a name that is imported from a package may be a module of it
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return frozenset(
        package for name in names for package in _with_packages(name) if "." not in package or _files(package)
    )


def _with_packages(module: str) -> list[str]:
    """`a.b.c` → a, a.b, a.b.c: importing the last runs them all."""
    words = module.split(".")
    return [".".join(words[: count + 1]) for count in range(len(words))]


def _top_level(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from _top_level(node)


@cache
def _files(module: str) -> tuple[Path, ...]:
    """The file of a module of ours; none for those of libraries."""
    if module.split(".")[0] not in OURS:
        return ()
    path = ROOT / Path(*module.split("."))
    return tuple(file for file in (path.with_suffix(".py"), path / "__init__.py") if file.exists())
