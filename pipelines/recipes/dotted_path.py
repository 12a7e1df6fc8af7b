"""Reads and writes nested JSON values by dotted path, such as `controls.0.data.hint_url`."""

from __future__ import annotations

from typing import Any


class PathError(ValueError):
    """A dotted path leads nowhere in the parameters of a task."""


def put(data: Any, path: str, value: Any) -> None:
    """Sets the value at `path`. Missing objects and lists on the way are created; a list grows by one item at most.

    Raises PathError.
    """
    *parents, last = steps = path.split(".")
    for step, following in zip(parents, steps[1:], strict=True):
        if _get(data, step) is None:
            _set(data, step, [] if following.isdecimal() else {}, path)
        data = _get(data, step)
    _set(data, last, value, path)


def remove(data: Any, path: str) -> None:
    """Removes the value at `path` from its object. A list keeps the value, so that its other items keep their index."""
    *parents, last = path.split(".")
    for step in parents:
        data = _get(data, step)
    if isinstance(data, dict):
        data.pop(last, None)


def _get(data: Any, step: str) -> Any:
    if isinstance(data, dict):
        return data.get(step)
    if isinstance(data, list):
        return data[int(step)] if step.isdecimal() and int(step) < len(data) else None
    return None


def _set(data: Any, step: str, value: Any, path: str) -> None:
    if isinstance(data, dict):
        data[step] = value
    elif isinstance(data, list) and step.isdecimal() and int(step) <= len(data):
        data[int(step) : int(step) + 1] = [value]
    else:
        raise PathError(f"field {path!r} does not exist: there is no {step!r}; correct the path")
