"""The JSON Schema of a body that a route reads itself, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import BaseModel

DEFINITION = "#/$defs/"


def body_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema with its definitions in their places, because a reference counts from the root of the document.

    The model may not contain itself.
    """
    schema = model.model_json_schema()
    definitions = schema.pop("$defs", {})
    return cast("dict[str, Any]", _in_place(schema, definitions))


def _in_place(node: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_in_place(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    others = {name: _in_place(value, definitions) for name, value in node.items() if name != "$ref"}
    if "$ref" not in node:
        return others
    return {**_in_place(definitions[node["$ref"].removeprefix(DEFINITION)], definitions), **others}
