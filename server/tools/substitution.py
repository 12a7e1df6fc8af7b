"""Puts values into the params of nodes, where they are named as `$id`, `${id}` or, for a size, `$id.width`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

OMITTED: Final = object()
"""Stands for a field that is not filled in: a param that is nothing but its name is left out."""
_NAME = r"[a-z][a-z0-9_]*(?:\.(?:width|height))?"
_REFERENCE = re.compile(rf"\$(?:\$|(?P<name>{_NAME})|\{{(?P<braced>{_NAME})\}})")


def names_in(data: Any) -> Iterator[str]:
    """The names of all fields that `data` refers to, without `.width` and `.height`."""
    if isinstance(data, str):
        found = (match["name"] or match["braced"] for match in _REFERENCE.finditer(data))
        yield from (name.partition(".")[0] for name in found if name)
    else:
        for _, value in _items(data):
            yield from names_in(value)


def substituted(data: Any, values: Mapping[str, Any]) -> Any:
    """`data` with values for names. What comes from `values` is not read for names again.

    A text that is nothing but a name becomes the value itself, of any type. Raises KeyError for an unknown name.
    """
    if isinstance(data, dict):
        pairs = ((key, substituted(value, values)) for key, value in data.items())
        return {key: value for key, value in pairs if value is not OMITTED}
    if isinstance(data, list):
        return [item for value in data if (item := substituted(value, values)) is not OMITTED]
    if not isinstance(data, str):
        return data
    if (match := _REFERENCE.fullmatch(data)) and (name := match["name"] or match["braced"]):
        return values[name]
    return _REFERENCE.sub(lambda match: _text(match, values), data)


def paths_of(data: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The dotted path of each text that is nothing but a name, and the name of the field."""
    if isinstance(data, str):
        if (match := _REFERENCE.fullmatch(data)) and (name := match["name"] or match["braced"]):
            yield path, name.partition(".")[0]
    else:
        for key, value in _items(data):
            yield from paths_of(value, f"{path}.{key}" if path else str(key))


def _items(data: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(data, dict):
        yield from data.items()
    elif isinstance(data, list | tuple):
        yield from enumerate(data)


def _text(match: re.Match[str], values: Mapping[str, Any]) -> str:
    name = match["name"] or match["braced"]
    if not name:
        return "$"
    value = values[name]
    if value is OMITTED:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
