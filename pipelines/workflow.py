"""Several tasks as one: each node is a task, and takes results of other nodes."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from models.kinds.kind import AnyModelRef
from pipelines import find
from pipelines.params.limits import CallbackUrl
from pipelines.pipeline import USE_AUDIT, AnyPipeline, Models, Params, Part, Pipeline, Recipe, Steps, TaskResult, Work
from pipelines.recipes.concurrent import run_concurrently
from pipelines.recipes.workflow_graph import (
    IMAGE_PLACEHOLDER,
    Injection,
    Key,
    Node,
    node_params,
    provisional_params,
    validated_nodes,
)

if TYPE_CHECKING:
    import numpy as np

    from models.catalog.catalog import Catalog

MAX_NODES = 32


class WorkflowParams(Params):
    nodes: tuple[Node, ...] = Field(min_length=1, max_length=MAX_NODES, fail_fast=True)
    target: Key = Field(description="The key of the node whose results are the results of the task.")
    intermediate: tuple[Key, ...] | None = Field(
        None,
        max_length=MAX_NODES,
        fail_fast=True,
        description="Keys of further nodes whose results are returned as well.",
    )
    return_if_exception: bool = Field(
        False, description="If a node fails, return the results that exist already, instead of failing."
    )
    caches: None = Field(None, description="Not supported. Only null is accepted.")
    save_intermediate_to_private: bool = Field(True, description="Ignored: all results are private on this server.")
    use_audit: bool = Field(False, description=f"{USE_AUDIT} The `use_audit` of a single node is ignored.")
    callback_url: CallbackUrl = ""

    @field_validator("nodes")
    @classmethod
    def _check_nodes(cls, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        return validated_nodes(nodes, find)

    @model_validator(mode="after")
    def _check_returned_keys(self) -> Self:
        for field, keys in (("target", (self.target,)), ("intermediate", self.intermediate or ())):
            for key in keys:
                if key not in self.by_key:
                    raise ValueError(f"{field} {key!r} is not a node; the nodes are {', '.join(self.by_key)}")
        return self

    @property
    def by_key(self) -> dict[str, Node]:
        return {node.key: node for node in self.nodes}

    @property
    def needed(self) -> dict[str, Node]:
        """The nodes that the returned results depend on. The others do not run."""
        found: dict[str, Node] = {}
        waiting = [self.target, *(self.intermediate or ())]
        while waiting:
            key = waiting.pop()
            if key not in found:
                found[key] = self.by_key[key]
                waiting += found[key].injections
        return {key: node for key, node in self.by_key.items() if key in found}

    @property
    def provisional(self) -> dict[str, Params]:
        """The parameters of each needed node, with examples for what other nodes will make."""
        return {key: provisional_params(node, self.by_key, find) for key, node in self.needed.items()}

    def changed(self, change: Callable[[AnyPipeline, Params], Params]) -> Self:
        """A copy in which `change` was applied to the parameters of each needed node."""
        params = self.provisional
        nodes = (
            _with_params(node, params[node.key], change(find(node.endpoint), params[node.key]))
            if node.key in params
            else node
            for node in self.nodes
        )
        return self.model_copy(update={"nodes": tuple(nodes)})

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the target; empty with `return_if_exception`, because the target's images may be missing."""
        return () if self.return_if_exception else self.provisional[self.target].seeds


class NodeFailedError(Exception):
    """A node failed. `code` is the code of the node's own error."""

    def __init__(self, key: str, error: Exception) -> None:
        self.code = getattr(error, "code", "bad_input")
        super().__init__(f"node {key!r}: {error}")


class NoResultError(ValueError):
    """A node made fewer results than another node takes from it."""

    code = "bad_input"


@dataclass(frozen=True, slots=True)
class NodeFailure:
    """Why a node has no result, in a workflow with `return_if_exception`."""

    message: str


class Workflow(Pipeline[WorkflowParams]):
    """Returns the results of the target node. Answers `{is_exception, reason, target, intermediate}`."""

    names = ("workflow",)
    title = "Workflow"
    Params = WorkflowParams
    audited = "on_request"
    result_shape = "workflow"

    def needs(self, params: WorkflowParams) -> tuple[AnyModelRef, ...]:
        provisional = params.provisional
        refs = (ref for key, node in params.needed.items() for ref in find(node.endpoint).needs(provisional[key]))
        return tuple(dict.fromkeys(refs))

    def work(self, params: WorkflowParams) -> Work:
        provisional = params.provisional
        parts = [find(node.endpoint).work(provisional[key]) for key, node in params.needed.items()]
        pixels, images = max(part.pixels for part in parts), max(part.images for part in parts)
        whole = Work(pixels, images, sum(part.steps for part in parts))
        return replace(whole, compute_fraction=sum(part.cost for part in parts) / whole.cost)

    def parts(self, params: WorkflowParams) -> tuple[Part, ...]:
        """The nodes that will run."""
        provisional = params.provisional
        return tuple(
            Part(
                _path(index),
                find(node.endpoint),
                provisional[node.key],
                frozenset(injection.field for _, injection in node.sources),
            )
            for index, node in enumerate(params.nodes)
            if node.key in provisional
        )

    def with_parts(self, params: WorkflowParams, parts: Sequence[Part]) -> WorkflowParams:
        provisional, changed = params.provisional, {part.path: part.params for part in parts}
        nodes = (
            _with_params(node, provisional[node.key], changed[path]) if (path := _path(index)) in changed else node
            for index, node in enumerate(params.nodes)
        )
        return params.model_copy(update={"nodes": tuple(nodes)})

    def transparent_inputs(self, params: WorkflowParams) -> Mapping[str, str]:
        """Those of the nodes. What other nodes will make is not known yet."""
        return {
            part.path_of(path): reason
            for part in self.parts(params)
            for path, reason in part.pipeline.transparent_inputs(part.params).items()
            if path not in part.injected
        }

    def resolve_names(self, params: WorkflowParams, catalog: Catalog) -> WorkflowParams:
        """Resolves the names of each node by itself: one node may use other models than the next."""
        return params.changed(lambda pipeline, node_params: pipeline.resolve_names(node_params, catalog))

    def resolve(self, params: WorkflowParams) -> WorkflowParams:
        """Draws the seeds of every node."""
        return params.changed(lambda pipeline, node_params: pipeline.resolve(node_params))

    def run(self, params: WorkflowParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        results: dict[str, TaskResult] = {}
        needed, indices = params.needed, {node.key: index for index, node in enumerate(params.nodes)}
        order = graphlib.TopologicalSorter({key: node.injections for key, node in needed.items()})
        order.prepare()
        while order.is_active():
            ready = sorted(order.get_ready(), key=indices.__getitem__)
            recipes = [_recipe(needed[key], params, models, _images_of(indices[key], images), results) for key in ready]
            outcomes = yield from run_concurrently(recipes)
            results |= {key: one for key, one in zip(ready, outcomes, strict=True) if isinstance(one, TaskResult)}
            failures = [outcome.message for outcome in outcomes if isinstance(outcome, NodeFailure)]
            if failures:
                return _collected(params, results, failures[0])
            order.done(*ready)
        return _collected(params, results, "")


def _path(index: int) -> str:
    """Where the parameters of a node are in those of the workflow."""
    return f"nodes.{index}.data"


def _with_params(node: Node, before: Params, after: Params) -> Node:
    """The node with the parameters that differ from `before`. Injected ones are left to the nodes that make them."""
    injected = {injection.field.partition(".")[0] for _, injection in node.sources}
    names = (name for name in type(after).model_fields if name not in injected)
    new = {name: value for name in names if (value := getattr(after, name)) != getattr(before, name)}
    return node.model_copy(update={"data": {**node.data, **new}})


def _images_of(index: int, images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The input images of one node, by their path in that node's parameters."""
    prefix = f"{_path(index)}."
    return {path.removeprefix(prefix): pixels for path, pixels in images.items() if path.startswith(prefix)}


def _recipe(
    node: Node,
    params: WorkflowParams,
    models: Models,
    own_images: Mapping[str, np.ndarray],
    results: Mapping[str, TaskResult],
) -> Steps[TaskResult | NodeFailure]:
    """The recipe of one node. `results` holds those of the nodes that it takes from, by key."""
    import torch

    from models.device_faults import raise_if_lost

    try:
        pipeline = find(node.endpoint)
        values = [(injection.field, _result(key, results[key], injection)) for key, injection in node.sources]
        placeholders = ((path, IMAGE_PLACEHOLDER if _is_image(value) else value) for path, value in values)
        injected_images = {path: value for path, value in values if _is_image(value)}
        own_params = node_params(node, pipeline, placeholders)
        return (yield from pipeline.run(own_params, models, {**own_images, **injected_images}))
    except torch.OutOfMemoryError:
        raise
    except Exception as error:
        raise_if_lost(error)
        expected = isinstance(error, ValidationError) or hasattr(error, "code")
        if not params.return_if_exception and expected:
            raise NodeFailedError(node.key, error) from error
        if not params.return_if_exception:
            raise
        return NodeFailure(f"node {node.key!r}: {error}")


def _is_image(value: Any) -> bool:
    return hasattr(value, "shape")


def _result(key: str, result: TaskResult, injection: Injection) -> Any:
    """What an injection takes of the result of node `key`. Raises NoResultError."""
    values = _values(result)
    if injection.index is None and not result.images and not result.hints:
        return values
    index = injection.index or 0
    if index >= len(values):
        raise NoResultError(f"{key!r} made {len(values)} results, so there is no index {index}; indices count from 0")
    return values[index]


def _values(result: TaskResult) -> Sequence[Any]:
    """The images [height, width, 3 or 4]; the control maps if there are no images; else the values of the answer."""
    import numpy as np

    if pictures := result.images or result.hints:
        return [np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels for pixels in pictures]
    (value,) = (result.answer or {"nothing": []}).values()
    return value if isinstance(value, list) else [value]


def _collected(params: WorkflowParams, results: Mapping[str, TaskResult], reason: str) -> TaskResult:
    """The target's images, and those of intermediate nodes as hints; the answer tells which hint is of which node."""
    hints: list[np.ndarray] = []
    intermediate: dict[str, Any] = {}
    for key in params.intermediate or ():
        result = results.get(key, TaskResult())
        pictures = result.images or result.hints
        intermediate[key] = {"hints": list(range(len(hints), len(hints) + len(pictures))), "answer": result.answer}
        hints += pictures
    target = results.get(params.target, TaskResult())
    answer = {"is_exception": bool(reason), "reason": reason, "target": target.answer, "intermediate": intermediate}
    return TaskResult(target.images or target.hints, hints, answer)
