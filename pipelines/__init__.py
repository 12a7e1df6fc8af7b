"""What can be made. Every module beside this one, or in `cv`, that holds a `Pipeline` is a task type; nothing else
lists them.

A module may hold several that differ in a word: it lists them, ready made, as `TASKS`.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from types import ModuleType

from pipelines import cv
from pipelines.pipeline import AnyPipeline, Pipeline
from pipelines.unsupported import REFUSED, RefusedTaskTypeError


class UnknownTaskTypeError(Exception):
    """No task type has this name."""

    def __init__(self, name: str) -> None:
        close = difflib.get_close_matches(name, _by_name, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(sorted(all_names()))}"
        super().__init__(f"unknown task type {name!r}; {hint}")


class DuplicateNameError(Exception):
    """Two task types claim one name."""


def _discover() -> dict[str, AnyPipeline]:
    found: dict[str, AnyPipeline] = {}
    beside = pkgutil.iter_modules(__path__, f"{__name__}.")
    for module in (*beside, *pkgutil.iter_modules(cv.__path__, f"{cv.__name__}.")):
        if module.ispkg:
            continue
        for pipeline in _tasks_of(importlib.import_module(module.name)):
            for name in pipeline.names:
                if name in found:
                    raise DuplicateNameError(f"{module.name} and {type(found[name]).__module__} both claim {name!r}")
            found.update(dict.fromkeys(pipeline.names, pipeline))
    return found


def _tasks_of(module: ModuleType) -> Iterable[AnyPipeline]:
    if hasattr(module, "TASKS"):
        tasks: Iterable[AnyPipeline] = module.TASKS
        return tasks
    kinds = [kind for _, kind in inspect.getmembers(module, inspect.isclass) if kind.__module__ == module.__name__]
    return [kind() for kind in kinds if issubclass(kind, Pipeline) and not inspect.isabstract(kind)]


_by_name = _discover()


def find(name: str) -> AnyPipeline:
    """The task type of this name or alias; raises UnknownTaskTypeError, RefusedTaskTypeError."""
    if name in REFUSED:
        raise RefusedTaskTypeError(name)
    try:
        return _by_name[name]
    except KeyError:
        raise UnknownTaskTypeError(name) from None


def every() -> tuple[AnyPipeline, ...]:
    """Each task type once, by canonical name."""
    return tuple(_by_name[name] for name in sorted({pipeline.names[0] for pipeline in _by_name.values()}))


def all_names() -> tuple[str, ...]:
    """Canonical names and aliases."""
    return tuple(_by_name)
