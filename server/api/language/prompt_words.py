"""`/v1/styles` and `/v1/wildcards`: what prompts of this server may name."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, Field

from server.api.dependencies import Reader, ServicesDep
from server.api.errors import error_responses
from server.api.router import Router

router = Router(prefix="/v1", tags=["prompts"])


class StyleReply(BaseModel):
    id: str = Field(description="What `styles` of a task names.")
    title: str = Field(description="For people; `styles` takes it as well. The id if it has no title.")
    prompt: str = Field(description="Template of the prompt, in which `{prompt}` stands for that of the task.")
    negative_prompt: str = Field(description="Added to the negative prompt of the task.")
    model: str | None = Field(description="The model of tasks that name none themselves.")
    loras: dict[str, float] = Field(description="Scales of LoRAs, by name.")


class WildcardReply(BaseModel):
    name: str = Field(description="A prompt writes it as `__name__`.")


@router.get("/styles", responses=error_responses(401))
async def list_styles(services: ServicesDep, _: Reader) -> list[StyleReply]:
    """The operator's styles."""
    return [
        StyleReply(
            id=style.id,
            title=style.title or style.id,
            prompt=style.prompt,
            negative_prompt=style.negative_prompt,
            model=style.model or None,
            loras=style.loras,
        )
        for style in services.catalog.styles.values()
    ]


@router.get("/wildcards", responses=error_responses(401))
async def list_wildcards(services: ServicesDep, _: Reader) -> list[WildcardReply]:
    """The operator's wildcards: lists of words, of which a prompt gets one."""
    names = await asyncio.to_thread(services.wildcards.names) if services.wildcards else []
    return [WildcardReply(name=name) for name in names]
