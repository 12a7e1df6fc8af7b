"""Parameters that refer to images, anywhere in a task's parameters: at the top, in objects, in lists."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

MAX_LENGTH = 1 << 30
"""In characters. HUA_MAX_UPLOAD limits the image; this only lifts the limit of other texts."""
FORMAT = "image"
"""The `format` of such a parameter in a JSON schema."""
MAX_INDEX = 999
RESULT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "title": "ResultImage",
    "properties": {
        "task": {"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "The id of a task that has ended."},
        "index": {
            "type": "integer",
            "minimum": 0,
            "maximum": MAX_INDEX,
            "default": 0,
            "description": "Which of its images; its control maps are counted after them.",
        },
    },
    "required": ["task"],
    "additionalProperties": False,
}
"""A result of an earlier task. Params store it as `task-ID/INDEX`, so that a reference is always a string."""
_RESULT = re.compile(r"task-([0-9a-f]{32})/(\d{1,3})")


class ImageRef(str):
    """A reference to an image. The worker fetches and decodes the image and passes it to the recipe by its path."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        text = core_schema.str_schema(min_length=1, max_length=MAX_LENGTH)
        reference = core_schema.no_info_before_validator_function(_as_text, text)
        return core_schema.no_info_after_validator_function(cls, reference)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        description = (
            "An http(s) URL, a data: URI, base64, the id of an upload to POST /v1/files, or a result of an earlier "
            'task: its link, or {"task": ID, "index": 0}.'
        )
        return {
            "anyOf": [{"type": "string", "minLength": 1}, RESULT_SCHEMA],
            "format": FORMAT,
            "description": description,
        }

    @property
    def result(self) -> tuple[str, int] | None:
        """The id of the task and the number of its image, if it refers to a result."""
        match = _RESULT.fullmatch(self)
        return (match[1], int(match[2])) if match else None


OptionalImage = Annotated[ImageRef | None, BeforeValidator(lambda value: None if value == "" else value)]
"""An image that may be left out. Old clients send an empty string for "no image"."""


def image_fields(params: type[BaseModel]) -> tuple[str, ...]:
    """The names of the top-level parameters that are images."""
    properties = params.model_json_schema()["properties"]
    return tuple(name for name, schema in properties.items() if _is_image(schema))


def image_references(params: BaseModel) -> dict[str, ImageRef]:
    """All image references, by dotted path: `url`, `controls.0.hint_url`."""
    return dict(_walk(params, ""))


def with_references(params: Any, references: Mapping[str, str]) -> Any:
    """A copy of `params` with the image references at these dotted paths replaced."""
    return _replaced(params, references, "")


def _as_text(value: Any) -> Any:
    """Raises ValueError for an object that is no reference to a result."""
    if not isinstance(value, Mapping):
        return value
    match value:
        case {"task": str(task), **others} if not others.keys() - {"index"}:
            index = others.get("index", 0)
            text = f"task-{task}/{index}"
            if type(index) is int and _RESULT.fullmatch(text):
                return text
    raise ValueError(
        f'an image that is an object is {{"task": ID, "index": 0}}: the id of a task, and a number up to {MAX_INDEX}'
    )


def _has_numbers_alone(value: list[Any]) -> bool:
    """Custom embeddings are lists of some ten thousand numbers, and there is no reference among them."""
    return set(map(type, value)) <= {int, float}


def _is_image(schema: Mapping[str, Any]) -> bool:
    return any(alternative.get("format") == FORMAT for alternative in (schema, *schema.get("anyOf", ())))


def _walk(value: Any, path: str) -> Iterator[tuple[str, ImageRef]]:
    if isinstance(value, ImageRef):
        yield path, value
        return
    for name, child in _children(value):
        yield from _walk(child, f"{path}.{name}" if path else name)


def _replaced(value: Any, references: Mapping[str, str], path: str) -> Any:
    if isinstance(value, ImageRef):
        return ImageRef(references.get(path, value))
    prefix = f"{path}." if path else ""
    if not any(key.startswith(prefix) for key in references):
        return value
    children = {name: _replaced(child, references, prefix + name) for name, child in _children(value)}
    match value:
        case BaseModel():
            changed = {name: child for name, child in children.items() if child is not getattr(value, name)}
            return value.model_copy(update=changed)
        case Mapping():
            return children
        case tuple() | list():
            return type(value)(children.values())
    return value


def _children(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, list) and _has_numbers_alone(value):
        return
    match value:
        case BaseModel():
            yield from ((name, getattr(value, name)) for name in type(value).model_fields)
        case Mapping():
            yield from ((str(name), child) for name, child in value.items())
        case tuple() | list():
            yield from ((str(index), child) for index, child in enumerate(value))
