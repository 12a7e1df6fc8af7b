"""Several tasks as one: each node is a task, and takes what others have made."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from pipelines.pipeline import USE_AUDIT, AnyPipeline, Models, Params, Pipeline, Recipe, Steps, TaskResult, Work
from pipelines.recipes.concurrent import run_concurrently
from pipelines.recipes.workflow_graph import TO_COME, Injection, Key, Node, checked, provisional

if TYPE_CHECKING:
    import numpy as np

    from models.catalog.catalog import Catalog

MOST_NODES = 32


class WorkflowParams(Params):
    nodes: tuple[Node, ...] = Field(min_length=1, max_length=MOST_NODES)
    target: Key = Field(description="The node whose results are those of the task.")
    intermediate: tuple[Key, ...] | None = Field(
        None, max_length=MOST_NODES, description="Nodes whose results are wanted as well."
    )
    return_if_exception: bool = Field(
        False, description="If a node fails, answer what was made so far, instead of failing."
    )
    caches: None = Field(None, description="Not offered; null only.")
    save_intermediate_to_private: bool = Field(True, description="Of no bearing: all results are private here.")
    use_audit: bool = Field(False, description=f"{USE_AUDIT} That of a node is of no bearing.")
    callback_url: str = Field("", max_length=2048, description="Kept for old clients; the envelope's notify_url wins.")

    @field_validator("nodes")
    @classmethod
    def _check_nodes(cls, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        return checked(nodes)

    @model_validator(mode="after")
    def _check_wanted(self) -> Self:
        for field, keys in (("target", (self.target,)), ("intermediate", self.intermediate or ())):
            for key in keys:
                if key not in self.by_key:
                    raise ValueError(f"{field} {key!r} is no node; there are {', '.join(self.by_key)}")
        return self

    @property
    def by_key(self) -> dict[str, Node]:
        return {node.key: node for node in self.nodes}

    @property
    def needed(self) -> dict[str, Node]:
        """The nodes that lead to what is wanted; others are left alone."""
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
        """The parameters of each task that is needed, as far as they are known."""
        return {key: provisional(node, self.by_key) for key, node in self.needed.items()}

    def changed(self, change: Callable[[AnyPipeline, Params], Params]) -> Self:
        """These, with what is made of the parameters of each task that is needed."""
        asked = self.provisional
        nodes = (
            _with(node, asked[node.key], change(node.pipeline, asked[node.key])) if node.key in asked else node
            for node in self.nodes
        )
        return self.model_copy(update={"nodes": tuple(nodes)})

    @property
    def seeds(self) -> tuple[int, ...]:
        """Those of the target; not said where it may end without its images."""
        return () if self.return_if_exception else self.provisional[self.target].seeds


class NodeFailedError(Exception):
    """A node came to nothing; `code` is that of what happened there."""

    def __init__(self, key: str, error: Exception) -> None:
        self.code = getattr(error, "code", "bad_input")
        super().__init__(f"node {key!r}: {error}")


@dataclass(frozen=True, slots=True)
class NodeFailure:
    """Why a node made nothing, in a workflow that answers even so."""

    message: str


class Workflow(Pipeline[WorkflowParams]):
    """Makes what its target makes. Answers `{is_exception, reason, target, intermediate}`."""

    names = ("workflow",)
    title = "Workflow"
    Params = WorkflowParams
    audited = "on_request"
    result_shape = "workflow"

    def needs(self, params: WorkflowParams) -> tuple[str, ...]:
        asked = params.provisional
        names = (name for key, node in params.needed.items() for name in node.pipeline.needs(asked[key]))
        return tuple(dict.fromkeys(names))

    def work(self, params: WorkflowParams) -> Work:
        asked = params.provisional
        parts = [node.pipeline.work(asked[key]) for key, node in params.needed.items()]
        pixels, images = max(part.pixels for part in parts), max(part.images for part in parts)
        whole = Work(pixels, images, sum(part.steps for part in parts))
        return replace(whole, share=sum(part.cost for part in parts) / whole.cost)

    def resolve_names(self, params: WorkflowParams, catalog: Catalog) -> WorkflowParams:
        """Resolves the names of each node by itself: one node may use other models than the next."""
        return params.changed(lambda pipeline, node_params: pipeline.resolve_names(node_params, catalog))

    def resolve(self, params: WorkflowParams) -> WorkflowParams:
        """Draws the seeds of every node."""
        return params.changed(lambda pipeline, asked: pipeline.resolve(asked))

    def run(self, params: WorkflowParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        made: dict[str, TaskResult] = {}
        needed, places = params.needed, {node.key: place for place, node in enumerate(params.nodes)}
        order = graphlib.TopologicalSorter({key: node.injections for key, node in needed.items()})
        order.prepare()
        while order.is_active():
            ready = sorted(order.get_ready(), key=places.__getitem__)
            given = [_under(f"nodes.{places[key]}.data.", images) for key in ready]
            recipes = [_recipe(needed[key], params, models, own, made) for key, own in zip(ready, given, strict=True)]
            results = yield from run_concurrently(recipes)
            made |= {key: one for key, one in zip(ready, results, strict=True) if isinstance(one, TaskResult)}
            failures = [one.message for one in results if isinstance(one, NodeFailure)]
            if failures:
                return _collected(params, made, failures[0])
            order.done(*ready)
        return _collected(params, made, "")


def _with(node: Node, before: Params, after: Params) -> Node:
    """The node with those of its parameters that are not as before; what is put in by others is theirs to say."""
    injected = {each.field.partition(".")[0] for _, each in node.wiring}
    names = (name for name in type(after).model_fields if name not in injected)
    new = {name: value for name in names if (value := getattr(after, name)) != getattr(before, name)}
    return node.model_copy(update={"data": {**node.data, **new}})


def _under(prefix: str, images: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {path.removeprefix(prefix): pixels for path, pixels in images.items() if path.startswith(prefix)}


def _recipe(
    node: Node, params: WorkflowParams, models: Models, own: dict[str, np.ndarray], made: Mapping[str, TaskResult]
) -> Steps[TaskResult | NodeFailure]:
    """The recipe of one node, once those that it takes from have made what it needs."""
    import torch

    try:
        values = [(each.field, _result(key, made[key], each)) for key, each in node.wiring]
        asked = node.asked((path, TO_COME if _is_image(value) else value) for path, value in values)
        images = own | {path: value for path, value in values if _is_image(value)}
        return (yield from node.pipeline.run(asked, models, images))
    except (torch.AcceleratorError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        known = isinstance(error, ValidationError) or hasattr(error, "code")
        if not params.return_if_exception and known:
            raise NodeFailedError(node.key, error) from error
        if not params.return_if_exception:
            raise
        return NodeFailure(f"node {node.key!r}: {error}")


def _is_image(value: Any) -> bool:
    return hasattr(value, "shape")


class NoResultError(ValueError):
    """A node made fewer results than another one wants of it."""

    code = "bad_input"


def _result(key: str, made: TaskResult, injection: Injection) -> Any:
    """What an injection takes of what a node made."""
    results = _results(made)
    if injection.index is None and not made.images and not made.hints:
        return results
    index = injection.index or 0
    if index >= len(results):
        raise NoResultError(f"{key!r} made {len(results)} results, so there is none of index {index}")
    return results[index]


def _results(made: TaskResult) -> Sequence[Any]:
    """Images, control maps where there are no images, or what an answer holds."""
    import numpy as np

    if pictures := made.images or made.hints:
        return [np.dstack([pixels] * 3) if pixels.ndim == 2 else pixels for pixels in pictures]
    (value,) = (made.answer or {"nothing": []}).values()
    return value if isinstance(value, list) else [value]


def _collected(params: WorkflowParams, made: Mapping[str, TaskResult], reason: str) -> TaskResult:
    """The target's images; those of intermediate nodes as hints, and an answer that says whose each of them is."""
    hints: list[np.ndarray] = []
    intermediate: dict[str, Any] = {}
    for key in params.intermediate or ():
        one = made.get(key, TaskResult())
        pictures = one.images or one.hints
        intermediate[key] = {"hints": list(range(len(hints), len(hints) + len(pictures))), "answer": one.answer}
        hints += pictures
    target = made.get(params.target, TaskResult())
    answer = {"is_exception": bool(reason), "reason": reason, "target": target.answer, "intermediate": intermediate}
    return TaskResult(target.images or target.hints, hints, answer)
