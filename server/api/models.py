"""The models of the catalog, and on which workers they are loaded."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from server.api.dependencies import ServicesDep
from server.api.errors import error_responses

router = APIRouter(prefix="/v1", tags=["models"])


class ModelReply(BaseModel):
    model_config = ConfigDict(populate_by_name=True)

    name: str
    title: str
    family: str
    aliases: list[str]
    base: str | None = Field(
        alias="for", description="The family of checkpoints that an adapter or ControlNet is for; null for others."
    )
    hint: str | None = Field(
        description="The kind of control map that a ControlNet follows or an annotator draws; null for others."
    )
    side: int | None = Field(description="Width and height in pixels of an image whose task gives no size; null: 512.")
    default: bool = Field(description="Whether tasks that name no model use it.")
    bytes: int = Field(description="Size of the weights on disk.")
    resident_on: list[str] = Field(description="Workers that have it on their device now.")


@router.get("/models", responses=error_responses(401, 503))
async def list_models(services: ServicesDep) -> list[ModelReply]:
    """Every model that a task may use."""
    workers = (await services.queue.overview()).workers
    return [
        ModelReply(
            name=entry.name,
            title=entry.title,
            family=entry.family,
            base=entry.base,
            hint=entry.hint,
            aliases=list(entry.aliases),
            side=entry.side,
            default=services.catalog.is_default(entry),
            bytes=entry.bytes,
            resident_on=[worker.name for worker in workers if entry.name in worker.resident],
        )
        for entry in services.catalog.entries
    ]
