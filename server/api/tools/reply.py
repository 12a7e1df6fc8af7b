"""A tool as clients see it: its form, without its workflow."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from models.catalog.catalog import Catalog
from server.storage.signed_links import Links
from server.tools.field import GRID, LEAST_SIDE, MOST_SIDE, TEXT_LENGTH, FieldType, Item, ToolField
from server.tools.tool import Tool


class ItemReply(BaseModel):
    id: str = Field(description="The value to send.")
    name: str
    name_zh: str = Field(description="Empty: it has no Chinese name.")
    cover: str | None = Field(description="Address of its picture.")


class FieldReply(BaseModel):
    id: str = Field(description="The name in `values`.")
    name: str
    name_zh: str = Field(description="Empty: it has no Chinese name.")
    help: str
    help_zh: str
    type: FieldType
    required: bool
    default: Any = Field(description="What is used if the field is left out. null: nothing.")
    min: float | None = Field(description="The least number, or side of a size.")
    max: float | None = Field(description="The largest number, or side of a size; the longest text, in characters.")
    multiple_of: int | None = Field(description="Both sides of a size are multiples of this many pixels.")
    items: list[ItemReply] = Field(description="The values of a choice.")


class ToolReply(BaseModel):
    id: str
    name: str
    name_zh: str = Field(description="Empty: it has no Chinese name.")
    description: str
    description_zh: str
    cover: str | None = Field(description="Address of its picture.")
    group: Literal["workflow", "utility"]
    price: float | None = Field(description="Points that it costs, by the operator's table; nothing is charged here.")
    fields: list[FieldReply] = Field(description="The form, in its order.")
    missing: str = Field(description="Why it cannot run now, such as a model that is not installed; empty: it can.")


class ToolProblem(BaseModel):
    message: str = Field(description="The file, the line, and what is wrong with it.")


class ToolList(BaseModel):
    data: list[ToolReply]
    problems: list[ToolProblem] = Field(description="Files of the operator that are no tools.")


def tool_reply(tool: Tool, catalog: Catalog, links: Links) -> ToolReply:
    return ToolReply(
        id=tool.id,
        name=tool.name,
        name_zh=tool.name_zh,
        description=tool.description,
        description_zh=tool.description_zh,
        cover=links.tool_picture(tool.id, tool.cover) if tool.cover else None,
        group=tool.group,
        price=tool.price,
        fields=[_field(tool, field, links) for field in tool.fields],
        missing=tool.missing(catalog),
    )


def _field(tool: Tool, field: ToolField, links: Links) -> FieldReply:
    is_size, is_text = field.type == "size", field.type == "text"
    return FieldReply(
        id=field.id,
        name=field.name or field.id,
        name_zh=field.name_zh,
        help=field.help,
        help_zh=field.help_zh,
        type=field.type,
        required=field.required,
        default=field.default,
        min=LEAST_SIDE if is_size and field.min is None else field.min,
        max=(MOST_SIDE if is_size else TEXT_LENGTH if is_text else None) if field.max is None else field.max,
        multiple_of=GRID if is_size else None,
        items=[_item(tool, item, links) for item in field.items],
    )


def _item(tool: Tool, item: Item, links: Links) -> ItemReply:
    cover = links.tool_picture(tool.id, item.cover) if item.cover else None
    return ItemReply(id=item.id, name=item.name or item.id, name_zh=item.name_zh, cover=cover)
