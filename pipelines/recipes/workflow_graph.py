"""The nodes of a workflow: tasks, and which of their parameters are filled with results of other nodes.

Functions here take `find`, which maps a task type's name to its pipeline: the workflow is itself one of the task types,
so this module cannot import their list.
"""

from __future__ import annotations

import copy
import graphlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, ValidationError

from models.pydantic_errors import first_sentence
from pipelines.params.image_refs import ImageRef, image_references
from pipelines.pipeline import AnyPipeline, Params
from pipelines.recipes.dotted_path import put, remove
from pipelines.synonyms import SYNONYMS

FindPipeline = Callable[[str], AnyPipeline]
"""The task type of a name. Raises UnknownTaskTypeError, UnsupportedTaskTypeError."""
Key = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^.$\s][^.\s]*$")]
IMAGE_PLACEHOLDER = "made by another node"
"""Stands for an image of another node until that node has run."""


class Injection(BaseModel):
    """Puts one of the results of another node into a parameter of this node."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    index: int | None = Field(
        None, ge=0, le=63, description="Which result to take. null: the first image, or the whole answer."
    )
    field: str = Field(
        min_length=1,
        max_length=256,
        description="The parameter to fill, by its dotted path, such as `controls.0.data.hint_url`.",
    )


class Node(BaseModel):
    """One task of a workflow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: Key
    endpoint: Annotated[
        str, BeforeValidator(lambda value: value.strip("/").replace("/", ".") if isinstance(value, str) else value)
    ] = Field(max_length=64, description="A task type. `/img2img/sod` is accepted for `img2img.sod`.")
    injections: dict[
        Key, Injection | Annotated[tuple[Injection, ...], Field(min_length=1, max_length=16, fail_fast=True)]
    ] = Field({}, max_length=32, description="What to take from other nodes, by the key of the node that makes it.")
    data: dict[str, Any] = Field({}, description="The task's own parameters, without the injected ones.")

    @property
    def sources(self) -> list[tuple[str, Injection]]:
        """Each injection, with the key of the node that it takes a result from."""
        return [(key, injection) for key, value in self.injections.items() for injection in _injections(value)]


def node_params(node: Node, pipeline: AnyPipeline, values: Iterable[tuple[str, Any]]) -> Params:
    """The parameters of a node's task, with `values` set by path. Raises ValidationError, PathError."""
    data = copy.deepcopy(node.data)
    for path, value in values:
        put(data, path, value)
    params: Params = pipeline.Params.model_validate(data)
    return params


def provisional_params(node: Node, by_key: Mapping[str, Node], find: FindPipeline) -> Params:
    """The parameters of a node's task before other nodes have run: examples stand for what will be injected."""
    values = [(injection.field, _example(by_key[key], injection, find)) for key, injection in node.sources]
    return node_params(node, find(node.endpoint), values)


def validated_nodes(nodes: Sequence[Node], find: FindPipeline) -> tuple[Node, ...]:
    """The nodes, with canonical parameter names in their data and images marked as ImageRef.

    Raises ValueError; its message names the node.
    """
    by_key = {node.key: node for node in nodes}
    if len(by_key) < len(nodes):
        keys = [node.key for node in nodes]
        duplicate = next(key for index, key in enumerate(keys) if key in keys[:index])
        raise ValueError(f"two nodes have the key {duplicate!r}; give each node its own key")
    for node in nodes:
        for key in node.injections:
            if key not in by_key:
                raise ValueError(
                    f"node {node.key!r} takes a result of {key!r}, but there is no such node; "
                    f"there are {', '.join(by_key)}"
                )
    try:
        graphlib.TopologicalSorter({node.key: node.injections for node in nodes}).prepare()
    except graphlib.CycleError as error:
        cycle = " → ".join(error.args[1][::-1])
        raise ValueError(f"nodes wait for each other in a circle: {cycle}; remove one of these injections") from None
    return tuple(_validated(node, by_key, find) for node in nodes)


def _validated(node: Node, by_key: Mapping[str, Node], find: FindPipeline) -> Node:
    try:
        pipeline = find(node.endpoint)
        if pipeline.result_shape == "workflow":
            raise ValueError("a workflow cannot hold another workflow; put its nodes into this one")
        node = _with_canonical_fields(node, pipeline.Params.model_fields)
        params = provisional_params(node, by_key, find)
        references = image_references(params)
        for key, injection in node.sources:
            makes_image = not find(by_key[key].endpoint).answers
            _refuse_mismatch(key, injection, makes_image=makes_image, takes_image=injection.field in references)
    except ValidationError as error:
        raise ValueError(f"node {node.key!r}: {first_sentence(error)}") from error
    except Exception as error:
        raise ValueError(f"node {node.key!r}: {error}") from error
    return node.model_copy(update={"data": _canonical_data(node, params, references)})


def _with_canonical_fields(node: Node, fields: Mapping[str, Any]) -> Node:
    injections = {
        key: tuple(
            injection.model_copy(update={"field": _canonical_path(injection.field, fields)})
            for injection in _injections(value)
        )
        for key, value in node.injections.items()
    }
    return node.model_copy(update={"injections": injections})


def _canonical_data(node: Node, params: Params, references: Mapping[str, ImageRef]) -> dict[str, Any]:
    """What the client set in `params`, without the examples that stand for injected values."""
    data = params.model_dump(mode="json", exclude_unset=True)
    injected = {injection.field for _, injection in node.sources}
    for path, reference in references.items():
        if path not in injected:
            put(data, path, ImageRef(reference))
    for path in injected:
        remove(data, path)
    return data


def _injections(value: Injection | tuple[Injection, ...]) -> tuple[Injection, ...]:
    return value if isinstance(value, tuple) else (value,)


def _canonical_path(path: str, fields: Mapping[str, Any]) -> str:
    """The path with the parameter's own name in place of an alias or synonym."""
    first, dot, rest = path.partition(".")
    if first not in fields and SYNONYMS.get(first) in fields:
        return SYNONYMS[first] + dot + rest
    for name, field in fields.items():
        alias = field.validation_alias
        if isinstance(alias, AliasChoices) and first in alias.choices:
            return name + dot + rest
    return path


def _example(source: Node, injection: Injection, find: FindPipeline) -> Any:
    answers = find(source.endpoint).answers
    if not answers:
        return IMAGE_PLACEHOLDER
    if injection.index is None:
        return list(answers)
    if injection.index >= len(answers):
        raise ValueError(
            f"{source.key!r} has at most {len(answers)} results, so there is no index {injection.index}; "
            "indices count from 0"
        )
    return answers[injection.index]


def _refuse_mismatch(key: str, injection: Injection, *, makes_image: bool, takes_image: bool) -> None:
    if makes_image and not takes_image:
        raise ValueError(f"{injection.field} takes no image, but {key!r} makes one; inject it into another parameter")
    if takes_image and not makes_image:
        raise ValueError(f"{injection.field} takes an image, but {key!r} makes none; inject a node that makes images")
