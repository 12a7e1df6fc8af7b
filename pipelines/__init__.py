"""The list of task types. Every module in this folder, in `cv` or in `compositions` that holds a `Pipeline` is one.

Nothing else lists them. A module may hold several that differ in one word: it lists the instances as `TASKS`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterable
from types import ModuleType

from models.suggestions import did_you_mean
from pipelines import compositions, cv
from pipelines.pipeline import AnyPipeline, Pipeline
from pipelines.unsupported import UNSUPPORTED, UnsupportedTaskTypeError


class UnknownTaskTypeError(Exception):
    """No task type has this name."""

    def __init__(self, name: str) -> None:
        hint = did_you_mean(name, _by_name) or f"the task types are {', '.join(sorted(all_names()))}"
        super().__init__(f"unknown task type {name!r}; {hint}")


class DuplicateNameError(Exception):
    """Two task types claim one name."""


def find(name: str) -> AnyPipeline:
    """The task type with this name or alias. Raises UnknownTaskTypeError, UnsupportedTaskTypeError."""
    if name in UNSUPPORTED:
        raise UnsupportedTaskTypeError(name)
    try:
        return _by_name[name]
    except KeyError:
        raise UnknownTaskTypeError(name) from None


def every() -> tuple[AnyPipeline, ...]:
    """Each task type once, sorted by canonical name."""
    return tuple(_by_name[name] for name in sorted({pipeline.names[0] for pipeline in _by_name.values()}))


def all_names() -> tuple[str, ...]:
    """Canonical names and aliases."""
    return tuple(_by_name)


def _discover() -> dict[str, AnyPipeline]:
    found: dict[str, AnyPipeline] = {}
    packages = {__name__: __path__, cv.__name__: cv.__path__, compositions.__name__: compositions.__path__}
    modules = (module for name, path in packages.items() for module in pkgutil.iter_modules(path, f"{name}."))
    for module in modules:
        if module.ispkg:
            continue
        for pipeline in _task_types_in(importlib.import_module(module.name)):
            for name in pipeline.names:
                if name in found:
                    raise DuplicateNameError(f"{module.name} and {type(found[name]).__module__} both claim {name!r}")
            found.update(dict.fromkeys(pipeline.names, pipeline))
    return found


def _task_types_in(module: ModuleType) -> Iterable[AnyPipeline]:
    if hasattr(module, "TASKS"):
        tasks: Iterable[AnyPipeline] = module.TASKS
        return tasks
    classes = [cls for _, cls in inspect.getmembers(module, inspect.isclass) if cls.__module__ == module.__name__]
    return [cls() for cls in classes if issubclass(cls, Pipeline) and not inspect.isabstract(cls)]


# Last in this file: task types may import `find` from here, as the workflow does.
_by_name = _discover()
