"""Runs the task of a request, and answers with its pictures."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.responses import JSONResponse

from server.api.dialects.ideogram.answers import pictures_answer
from server.api.dialects.ideogram.request import PictureRequest
from server.api.dialects.model_names import is_missing
from server.services import Services
from server.task import Manifest, Status
from server.tasks.magic_prompt import magic_prompt
from server.tasks.submission import Submission
from server.tasks.waiting import refuse_failed, submit_all, wait_for_all

NAME = "ideogram"
SEEDS = 2**31 - 8
"""Ideogram's seeds end here; image i has seed + i."""
LARGEST_SIDE = 1024
"""The `max_wh` of tasks that do not set it."""


@dataclass(frozen=True, slots=True)
class Painting:
    """One task of any type."""

    task_type: str
    params: dict[str, Any]
    scale: int = 1
    """How many times as long as it is painted each side becomes."""
    style_codes: Sequence[str] = ()
    """Codes of pictures that came with the request, for the answer."""


async def prompt_params(services: Services, tenant: str, body: PictureRequest) -> dict[str, Any]:
    """The params that all paintings share. The prompt is a longer one if the request asks for magic."""
    catalog = services.catalog
    prompt = await magic_prompt(services, tenant, body.prompt, body.magic) if body.prompt else ""
    return {
        "text": body.model_copy(update={"prompt": prompt}).words,
        "negative_prompt": body.negative_prompt,
        "model": catalog.default.name if is_missing(catalog, body.model_name) else body.model_name,
        "num_steps": body.steps,
        "num_samples": body.num_images,
        "seed": secrets.randbelow(SEEDS) if body.seed is None else body.seed,
    }


async def paint(
    request: Request, services: Services, tenant: str, body: PictureRequest, painting: Painting
) -> Response:
    """Raises what `run_task` raises."""
    ended = await run_task(request, services, tenant, painting)
    answer = pictures_answer(body, ended, services.links, painting.scale)
    return JSONResponse(answer | ({"style_codes": list(painting.style_codes)} if painting.style_codes else {}))


async def run_task(request: Request, services: Services, tenant: str, painting: Painting) -> Manifest:
    """The result of a task. Raises what `submit` raises, TaskFailedError, ClientGoneError, HTTPException."""
    submission = Submission(type=painting.task_type, params=painting.params, tenant=tenant, dialect=NAME)
    views = await submit_all(services, [submission])
    cancels = NAME in services.settings.cancel_on_hang_up
    ended = await wait_for_all(services, views, request.receive, cancels=cancels)
    refuse_failed(ended)
    if ended[0].outcome.status is Status.CANCELED:
        raise HTTPException(409, "the task was canceled; send the request again")
    return ended[0]
