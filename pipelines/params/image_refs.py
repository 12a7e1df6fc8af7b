"""Parameters that name images, wherever they stand in a task's parameters: at the top, in objects, in lists."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

if TYPE_CHECKING:
    from pydantic import GetJsonSchemaHandler
    from pydantic.json_schema import JsonSchemaValue

FORMAT = "image"
"""The `format` of such a parameter in a JSON schema."""


class ImageRef(str):
    """Names an image: the worker fetches and decodes it before the recipe runs, and hands it over by its path."""

    __slots__ = ()

    @classmethod
    def __get_pydantic_core_schema__(cls, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(cls, core_schema.str_schema(min_length=1))

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        said = "An http(s) URL, a data: URI, base64, or an id that POST /v1/files answered."
        return {"type": "string", "minLength": 1, "format": FORMAT, "description": said}


OptionalImage = Annotated[ImageRef | None, BeforeValidator(lambda given: None if given == "" else given)]
"""An image that may be left out; old clients leave out by sending an empty string."""


def image_fields(params: type[BaseModel]) -> tuple[str, ...]:
    """The names of the parameters that are images, at the top."""
    properties = params.model_json_schema()["properties"]
    return tuple(name for name, field in properties.items() if _says_image(field))


def image_references(params: BaseModel) -> dict[str, ImageRef]:
    """The images that are named, by dotted path: `url`, `controls.0.hint_url`."""
    return dict(_walk(params, ""))


def with_references(params: Any, paths: Mapping[str, str]) -> Any:
    """`params`, in which the images at these paths are named otherwise."""
    return _renamed(params, paths, "")


def _says_image(field: Mapping[str, Any]) -> bool:
    return any(one.get("format") == FORMAT for one in (field, *field.get("anyOf", ())))


def _walk(value: Any, path: str) -> Iterator[tuple[str, ImageRef]]:
    if isinstance(value, ImageRef):
        yield path, value
        return
    for name, child in _children(value):
        yield from _walk(child, f"{path}.{name}" if path else name)


def _renamed(value: Any, paths: Mapping[str, str], path: str) -> Any:
    if isinstance(value, ImageRef):
        return ImageRef(paths.get(path, value))
    prefix = f"{path}." if path else ""
    if not any(one.startswith(prefix) for one in paths):
        return value
    children = {name: _renamed(child, paths, prefix + name) for name, child in _children(value)}
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
    match value:
        case BaseModel():
            yield from ((name, getattr(value, name)) for name in type(value).model_fields)
        case Mapping():
            yield from ((str(name), child) for name, child in value.items())
        case tuple() | list():
            yield from ((str(index), child) for index, child in enumerate(value))
