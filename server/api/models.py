"""The models of the catalog, and on which workers they are loaded."""

from __future__ import annotations

from collections.abc import Iterable

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from models.catalog.catalog import Catalog
from models.kinds import FAMILIES
from server.api.dependencies import ServicesDep
from server.api.errors import error_responses
from server.queue import WorkerView

router = APIRouter(prefix="/v1", tags=["models"])


class ModelReply(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    name: str
    title: str
    kind: str = Field(description="What it is: checkpoint, LoRA, upscaler…; empty if it is not known.")
    family: str = Field(description="Empty if it is not known, because the model cannot be used.")
    aliases: list[str]
    base: str | None = Field(
        alias="for", description="The family of checkpoints that an adapter or ControlNet is for; null for others."
    )
    hint: str | None = Field(
        description="The kind of control map that a ControlNet follows or an annotator draws; null for others."
    )
    trigger_words: list[str] = Field(
        description="The words to which a LoRA answers, the most frequent first: those of its entry, else of its file."
    )
    side: int | None = Field(description="Width and height in pixels of an image whose task gives no size; null: 512.")
    default: bool = Field(description="Whether tasks that name no model use it.")
    bytes: int = Field(description="Size of the weights on disk.")
    resident_on: list[str] = Field(description="Workers that have it on their device now.")
    problem: str = Field(description="Why it cannot be used, and what to do; empty if it can.")


@router.get("/models", responses=error_responses(401, 503))
async def list_models(services: ServicesDep) -> list[ModelReply]:
    """Every model that a task may use, and those that cannot be used now, with the reason."""
    workers = (await services.queue.overview()).workers
    broken = broken_models(services.catalog, workers)
    usable = [
        ModelReply(
            name=entry.name,
            title=entry.title,
            kind=FAMILIES[entry.family].kind.title,
            family=entry.family,
            base=entry.base,
            hint=entry.hint,
            trigger_words=list(entry.trigger_words),
            aliases=list(entry.aliases),
            side=entry.side,
            default=services.catalog.is_default(entry),
            bytes=entry.bytes,
            resident_on=[worker.name for worker in workers if entry.name in worker.resident],
            problem=broken.pop(entry.name, ""),
        )
        for entry in services.catalog.entries
    ]
    return [*usable, *(_unusable(name, problem) for name, problem in broken.items())]


def broken_models(catalog: Catalog, workers: Iterable[WorkerView]) -> dict[str, str]:
    """Why models cannot be used, by name: files and entries that are no models, and what a worker could not load."""
    unusable = {problem.names[0]: problem.message for problem in catalog.problems if problem.names}
    return unusable | {name: reason for worker in workers for name, reason in worker.broken.items()}


def _unusable(name: str, problem: str) -> ModelReply:
    """A file or an entry of which nothing is known but its name."""
    return ModelReply(
        name=name,
        title="",
        kind="",
        family="",
        aliases=[],
        base=None,
        hint=None,
        trigger_words=[],
        side=None,
        default=False,
        bytes=0,
        resident_on=[],
        problem=problem,
    )
