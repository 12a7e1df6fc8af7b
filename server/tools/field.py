"""A field of a tool's form: what a caller may fill in, and the check of it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from models.suggestions import did_you_mean
from pipelines.params.limits import SEEDS

MAX_ITEMS = 64
TEXT_LENGTH = 2000
"""Default limit of a text, in characters."""
LEAST_SIDE, MOST_SIDE, GRID = 64, 2048, 8
"""Default limits of a side, in pixels; sides are multiples of GRID."""
MOST = 1e15
"""Default limit of a number."""
FieldType = Literal["image", "mask", "text", "number", "integer", "choice", "bool", "size", "seed"]
Id = Annotated[
    str,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=64),
]
"""YAML reads an id of digits as a number."""
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
_SIZE = re.compile(r"(\d{1,5})\s*[x×*]\s*(\d{1,5})")


class ToolValueError(Exception):
    """A value that a caller sent for a tool is wrong or missing. `field` is its path in the request."""

    def __init__(self, name: str, message: str) -> None:
        self.field = f"values.{name}"
        super().__init__(f"{self.field} {message}")


class Strict(BaseModel):
    """A part of a tool's file."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Item(Strict):
    """One of the values of a choice."""

    id: Id
    name: str = Field("", max_length=200)
    name_zh: str = Field("", max_length=200)
    cover: str = Field("", max_length=200, pattern=r"^[^/\\]*$")
    """A picture beside the file of the tool."""
    value: Any = None
    """What the nodes get for it. None: the id."""
    set: dict[str, Any] = Field({}, max_length=32)
    """Params of nodes that this value sets, by `KEY.PATH`."""


class ToolField(Strict):
    """Nodes name it as `$id`; a size also as `$id.width` and `$id.height`."""

    id: Name
    name: str = Field("", max_length=200)
    name_zh: str = Field("", max_length=200)
    help: str = Field("", max_length=1000)
    help_zh: str = Field("", max_length=1000)
    type: FieldType
    required: bool = False
    default: Any = None
    """What is filled in if the caller leaves the field out. None: params that name the field are left out, too."""
    min: float | None = None
    """Of a number; of each side of a size, in pixels."""
    max: float | None = None
    """Of a number; of each side of a size, in pixels; of a text, in characters."""
    items: tuple[Item, ...] = Field((), max_length=MAX_ITEMS)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.type == "choice") != bool(self.items):
            raise ValueError(f"a field of type {self.type} {'needs' if self.type == 'choice' else 'takes no'} items")
        ids = [item.id for item in self.items]
        if len(set(ids)) < len(ids):
            raise ValueError("two items have the same id; give each its own")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}")
        if self.default is not None:
            try:
                self.checked(self.default)
            except ToolValueError as error:
                raise ValueError(f"default: {error}") from error
        return self

    @property
    def example(self) -> Any:
        """A value that the field takes."""
        if self.default is not None:
            return self.checked(self.default)
        side = min(max(int(self.min or LEAST_SIDE), 512), int(self.max or MOST_SIDE))
        examples: Mapping[FieldType, Any] = {
            "choice": self.items[0] if self.items else None,
            "number": self.min or 0.0,
            "integer": math.ceil(self.min or 0),
            "bool": True,
            "size": {"width": side, "height": side},
            "seed": 0,
        }
        return examples.get(self.type, self.id)

    def checked(self, value: Any) -> Any:
        """The value as the nodes get it; of a choice, its Item. Raises ToolValueError."""
        match self.type:
            case "image" | "mask":
                return self._picture(value)
            case "text":
                return self._text(value)
            case "choice":
                return self._item(value)
            case "size":
                return self._size(value)
            case "bool":
                if not isinstance(value, bool):
                    raise ToolValueError(self.id, "must be true or false")
                return value
            case "seed":
                return self._number(value, -1, SEEDS - 1, whole=True)
            case "number" | "integer":
                low, high = -MOST if self.min is None else self.min, MOST if self.max is None else self.max
                return self._number(value, low, high, whole=self.type == "integer")

    def _picture(self, value: Any) -> Any:
        if not (isinstance(value, str) and value) and not isinstance(value, dict):
            raise ToolValueError(
                self.id, 'must be a picture: a URL, base64, the id of an upload, or {"task": ID, "index": 0}'
            )
        return value

    def _text(self, value: Any) -> str:
        longest = TEXT_LENGTH if self.max is None else int(self.max)
        if not isinstance(value, str):
            raise ToolValueError(self.id, "must be a text")
        if len(value) > longest:
            raise ToolValueError(self.id, f"has {len(value)} characters; it may have {longest}")
        if self.required and not value.strip():
            raise ToolValueError(self.id, "is empty; write a text")
        return value

    def _item(self, value: Any) -> Item:
        by_id = {item.id: item for item in self.items}
        text = str(value) if type(value) is int else value
        if not isinstance(text, str) or text not in by_id:
            hint = did_you_mean(text, by_id) if isinstance(text, str) else ""
            raise ToolValueError(self.id, f"must be one of {', '.join(by_id)}{f'; {hint}' if hint else ''}")
        return by_id[text]

    def _size(self, value: Any) -> dict[str, int]:
        if isinstance(value, str) and (match := _SIZE.fullmatch(value.strip())):
            value = {"width": int(match[1]), "height": int(match[2])}
        if not isinstance(value, dict) or value.keys() != {"width", "height"}:
            raise ToolValueError(self.id, 'must be a size, such as "512x768" or {"width": 512, "height": 768}')
        low, high = self.min or LEAST_SIDE, self.max or MOST_SIDE
        for side, length in value.items():
            if type(length) is not int or length % GRID or not low <= length <= high:
                raise ToolValueError(
                    self.id, f"has the {side} {length!r}; send a multiple of {GRID} between {low:g} and {high:g}"
                )
        return value

    def _number(self, value: Any, low: float, high: float, *, whole: bool) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ToolValueError(self.id, "must be a number")
        if not low <= value <= high:  # also for NaN
            raise ToolValueError(self.id, f"must be between {low:g} and {high:g}")
        if whole and value != int(value):
            raise ToolValueError(self.id, "must be a whole number")
        return int(value) if whole else float(value)
