"""A stored tool: a form, and the workflow that its values make."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from models.catalog.catalog import Catalog
from models.pydantic_errors import first_sentence
from models.suggestions import did_you_mean
from pipelines.recipes.dotted_path import PathError, put
from pipelines.workflow import MAX_NODES, Workflow, WorkflowParams
from server.tools.field import Id, Item, Strict, ToolField, ToolValueError
from server.tools.substitution import OMITTED, names_in, paths_of, substituted

MAX_FIELDS = 64
Node = Mapping[str, Any]


class Tool(Strict):
    """What a YAML file of a tool holds."""

    id: Id
    name: str = Field(min_length=1, max_length=200)
    name_zh: str = Field("", max_length=200)
    description: str = Field("", max_length=2000)
    description_zh: str = Field("", max_length=2000)
    cover: str = Field("", max_length=200, pattern=r"^[^/\\]*$")
    """A picture beside the file."""
    group: Literal["workflow", "utility"] = "workflow"
    """Which of 触站's two lists has it."""
    tenants: tuple[str, ...] | None = None
    """Who may use it. None: everyone."""
    price: float | None = Field(None, ge=0)
    """In points, shown to clients. None: it is not shown."""
    fields: tuple[ToolField, ...] = Field((), max_length=MAX_FIELDS)
    nodes: tuple[dict[str, Any], ...] = Field(min_length=1, max_length=MAX_NODES)
    """Of a `workflow` task; texts in their `data` may name fields as `$id`."""
    target: str
    intermediate: tuple[str, ...] | None = None

    @field_validator("fields")
    @classmethod
    def _check_ids(cls, fields: tuple[ToolField, ...]) -> tuple[ToolField, ...]:
        ids = [field.id for field in fields]
        if duplicate := next((id for index, id in enumerate(ids) if id in ids[:index]), None):
            raise ValueError(f"two fields have the id {duplicate!r}; give each its own")
        return fields

    @model_validator(mode="after")
    def _check_workflow(self) -> Self:
        """Tries every item of every choice, and the form without its optional fields."""
        self._refuse_unknown_names()
        filled = {field.id: field.example for field in self.fields}
        least = {field.id: filled[field.id] for field in self.fields if field.required or field.default is not None}
        self._try(least, "the required fields alone")
        self._try(filled, "all fields")
        for field in self.fields:
            for item in field.items:
                self._try(filled | {field.id: item}, f"{field.id} {item.id!r}")
        return self

    @property
    def by_id(self) -> dict[str, ToolField]:
        return {field.id: field for field in self.fields}

    @property
    def pictures(self) -> Iterator[str]:
        """The names of all its covers."""
        yield from filter(None, (self.cover, *(item.cover for field in self.fields for item in field.items)))

    def is_for(self, tenant: str) -> bool:
        return self.tenants is None or tenant in self.tenants

    def fill(self, values: Mapping[str, Any]) -> FilledTool:
        """The task for the values that a caller sent, by field id. Raises ToolValueError."""
        for name in values:
            if name not in self.by_id:
                hint = did_you_mean(name, self.by_id) or f"the fields are {', '.join(self.by_id) or 'none'}"
                raise ToolValueError(name, f"is unknown; {hint}")
        checked: dict[str, Any] = {}
        for field in self.fields:
            value = values.get(field.id)
            value = field.default if value is None or (value == "" and not field.required) else value
            if value is not None:
                checked[field.id] = field.checked(value)
            elif field.required:
                raise ToolValueError(field.id, f"is missing; send {field.name or field.type}")
        return self._filled(checked)

    def missing(self, catalog: Catalog) -> str:
        """Why the tool cannot run on these models; empty if it can."""
        params = WorkflowParams.model_validate(self._filled({f.id: f.example for f in self.fields}).params)
        try:
            Workflow().resolve_names(params, catalog)
        except ValidationError as error:
            return first_sentence(error)
        except Exception as error:
            if not hasattr(error, "code"):
                raise
            return str(error)
        return ""

    def _refuse_unknown_names(self) -> None:
        used = set(names_in(list(self.nodes)))
        for name in sorted(used - self.by_id.keys()):
            hint = did_you_mean(name, self.by_id) or "declare it in fields, or write $$ for a dollar sign"
            raise ValueError(f"the nodes name ${name}, which is no field; {hint}")
        for field in self.fields:
            if field.id not in used and not any(item.set for item in field.items):
                raise ValueError(f"no node names ${field.id}; use the field, or remove it")

    def _try(self, checked: Mapping[str, Any], case: str) -> None:
        """Raises ValueError."""
        try:
            WorkflowParams.model_validate(self._filled(checked).params)
        except ValidationError as error:
            raise ValueError(f"with {case}: {first_sentence(error)}") from error

    def _filled(self, checked: Mapping[str, Any]) -> FilledTool:
        nodes = [copy.deepcopy(dict(node)) for node in self.nodes]
        for item in checked.values():
            if isinstance(item, Item):
                for path, value in item.set.items():
                    _put(nodes, path, value)
        values = {name: value for field in self.fields for name, value in _values(field, checked).items()}
        data = {index: node.get("data") or {} for index, node in enumerate(nodes)}
        origins = {f"nodes.{index}.data.{path}": name for index in data for path, name in paths_of(data[index])}
        filled = [{**node, "data": substituted(data[index], values)} for index, node in enumerate(nodes)]
        return FilledTool({"nodes": filled, "target": self.target, "intermediate": self.intermediate}, origins)


@dataclass(frozen=True, slots=True)
class FilledTool:
    """A task of type `workflow`."""

    params: Mapping[str, Any]
    origins: Mapping[str, str]
    """The field that a param comes from, by the param's path."""


def _values(field: ToolField, checked: Mapping[str, Any]) -> dict[str, Any]:
    """What the names of a field stand for."""
    value = checked.get(field.id, OMITTED)
    if isinstance(value, Item):
        value = value.id if value.value is None else value.value
    if field.type != "size":
        return {field.id: value}
    sides = {side: OMITTED if value is OMITTED else value[side] for side in ("width", "height")}
    return {field.id: value, **{f"{field.id}.{side}": length for side, length in sides.items()}}


def _put(nodes: list[dict[str, Any]], path: str, value: Any) -> None:
    """Sets a param of a node, by `KEY.PATH`. Raises ValueError."""
    key, _, rest = path.partition(".")
    node = next((node for node in nodes if node.get("key") == key), None)
    if node is None or not rest:
        raise ValueError(f"set names {path!r}, which is no param of a node; write KEY.PARAM")
    data = node.setdefault("data", {})
    try:
        put(data, rest, copy.deepcopy(value))
    except PathError as error:
        raise ValueError(f"set: {error}") from error
