"""The nodes of a workflow: tasks, and which of their parameters take what other nodes have made."""

from __future__ import annotations

import copy
import graphlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from models.pydantic_errors import first_sentence
from pipelines.params.image_refs import ImageRef, image_references
from pipelines.pipeline import AnyPipeline, Params

Key = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^.$\s][^.\s]*$")]
TO_COME = "made by another node"
"""Stands where an image will, until it is made."""


class Injection(BaseModel):
    """Puts one of the results of another node into a parameter of this one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    index: int | None = Field(
        None, ge=0, le=63, description="Which result; null: the first image, or all of an answer."
    )
    field: str = Field(
        min_length=1, max_length=256, description="A parameter by its dotted path, such as `controls.0.data.hint_url`."
    )


class Node(BaseModel):
    """One task of a workflow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Key
    endpoint: Annotated[
        str, BeforeValidator(lambda given: given.strip("/").replace("/", ".") if isinstance(given, str) else given)
    ] = Field(max_length=64, description="A task type; `/img2img/sod` is understood as well.")
    injections: dict[Key, Injection | Annotated[tuple[Injection, ...], Field(min_length=1, max_length=16)]] = Field(
        {}, max_length=32, description="By the key of the node that makes what is to be put in."
    )
    data: dict[str, Any] = Field({}, description="The task's own parameters, but for what is put in.")

    @property
    def pipeline(self) -> AnyPipeline:
        """Raises UnknownTaskTypeError, RefusedTaskTypeError."""
        import pipelines

        return pipelines.find(self.endpoint)

    @property
    def wiring(self) -> list[tuple[str, Injection]]:
        """Each injection, with the key of the node that it comes from."""
        several = ((key, one if isinstance(one, tuple) else (one,)) for key, one in self.injections.items())
        return [(key, each) for key, many in several for each in many]

    def asked(self, values: Iterable[tuple[str, Any]]) -> Params:
        """The task's parameters with `values` put in by path. Raises ValidationError, PathError."""
        data = copy.deepcopy(self.data)
        for path, value in values:
            put(data, path, value)
        params: Params = self.pipeline.Params.model_validate(data)
        return params


class PathError(ValueError):
    """A dotted path leads nowhere in the parameters of a task."""


def checked(nodes: Sequence[Node]) -> tuple[Node, ...]:
    """The nodes with their data in the tasks' own names, images marked as such. Raises ValueError, naming the node."""
    by_key = {node.key: node for node in nodes}
    if len(by_key) < len(nodes):
        twin = next(node.key for place, node in enumerate(nodes) if node.key in {one.key for one in nodes[:place]})
        raise ValueError(f"two nodes are called {twin!r}; give each its own key")
    for node in nodes:
        for key in node.injections:
            if key not in by_key:
                raise ValueError(f"node {node.key!r} takes from {key!r}, but there is no such node")
    try:
        graphlib.TopologicalSorter({node.key: node.injections for node in nodes}).prepare()
    except graphlib.CycleError as error:
        raise ValueError(f"nodes wait for each other in a circle: {' → '.join(error.args[1][::-1])}") from None
    return tuple(_checked(node, by_key) for node in nodes)


def provisional(node: Node, by_key: Mapping[str, Node]) -> Params:
    """The task's parameters before those of others are made: with examples of what will be put in."""
    return node.asked((each.field, _example(by_key[key], each)) for key, each in node.wiring)


def _checked(node: Node, by_key: Mapping[str, Node]) -> Node:
    try:
        if node.endpoint == "workflow":
            raise ValueError("a workflow cannot hold another; put its nodes into this one")
        fields = node.pipeline.Params.model_fields
        injections = {
            key: tuple(each.model_copy(update={"field": _named(each.field, fields)}) for each in _many(injected))
            for key, injected in node.injections.items()
        }
        node = node.model_copy(update={"injections": injections})
        asked = provisional(node, by_key)
        references = image_references(asked)
        for key, each in node.wiring:
            _refuse_mismatch(key, each, draws=not by_key[key].pipeline.answers, takes=each.field in references)
    except ValidationError as error:
        raise ValueError(f"node {node.key!r}: {first_sentence(error)}") from error
    except Exception as error:
        raise ValueError(f"node {node.key!r}: {error}") from error
    data = asked.model_dump(exclude_unset=True)
    injected = {each.field for _, each in node.wiring}
    for path, reference in references.items():
        if path not in injected:
            put(data, path, ImageRef(reference))
    for path in injected:
        _take_out(data, path)
    return node.model_copy(update={"data": data})


def _many(injected: Injection | tuple[Injection, ...]) -> tuple[Injection, ...]:
    return injected if isinstance(injected, tuple) else (injected,)


def _named(path: str, fields: Mapping[str, Any]) -> str:
    """The path with the parameter's own name in place of an alias."""
    first, dot, rest = path.partition(".")
    for name, field in fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices) and first in alias.choices:
            return name + dot + rest
    return path


def _example(source: Node, injection: Injection) -> Any:
    answers = source.pipeline.answers
    if not answers:
        return TO_COME
    if injection.index is None:
        return list(answers)
    if injection.index >= len(answers):
        most = len(answers)
        raise ValueError(f"{source.key!r} has {most} results at most, and index {injection.index} is none of them")
    return answers[injection.index]


def _refuse_mismatch(key: str, injection: Injection, *, draws: bool, takes: bool) -> None:
    if draws and not takes:
        raise ValueError(f"{injection.field} takes no image, but {key!r} makes one")
    if takes and not draws:
        raise ValueError(f"{injection.field} takes an image, but {key!r} makes none")


def put(data: Any, path: str, value: Any) -> None:
    """Sets what is at a dotted path; objects that lack on the way are made, and a list grows by one at most."""
    *way, last = steps = path.split(".")
    for step, following in zip(way, steps[1:], strict=True):
        if _get(data, step) is None:
            _set(data, step, [] if following.isdecimal() else {}, path)
        data = _get(data, step)
    _set(data, last, value, path)


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
        raise PathError(f"field {path!r} leads nowhere: there is no {step!r}")


def _take_out(data: Any, path: str) -> None:
    """What was put in for a while leaves objects again; lists keep it, so that the others keep their places."""
    *way, last = path.split(".")
    for step in way:
        data = _get(data, step)
    if isinstance(data, dict):
        data.pop(last, None)
