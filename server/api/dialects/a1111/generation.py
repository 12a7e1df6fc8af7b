"""The routes that paint. They hold no thread while they wait, and the tasks are in the log like all others."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request

from server.api.dependencies import CallerDep, ServicesDep
from server.api.dialects.a1111.answers import GenerationReply, generation_reply, painted_images
from server.api.dialects.a1111.faces import face_fix
from server.api.dialects.a1111.img2img import plan_img2img
from server.api.dialects.a1111.options import output_of, read_options
from server.api.dialects.a1111.painting import Painting
from server.api.dialects.a1111.refusals import REFUSED, A1111SubmissionRoute
from server.api.dialects.a1111.request import GenerationRequest, Img2ImgRequest, Txt2ImgRequest
from server.api.dialects.a1111.txt2img import plan_txt2img
from server.services import Services
from server.task import Image, Manifest, Output
from server.tasks.submission import DEFAULT_OUTPUT, Submission
from server.tasks.waiting import TaskFailedError, refuse_failed, refuse_withheld, submit_all, wait_for_all
from server.tenancy.auth import Caller

NAME = "a1111"
SAME = ("text", "negative_prompt", "model")
"""What painting a face again takes from the painting."""
router = APIRouter(route_class=A1111SubmissionRoute, responses=REFUSED)


@router.post("/txt2img")
async def txt2img(body: Txt2ImgRequest, request: Request, services: ServicesDep, caller: CallerDep) -> GenerationReply:
    """Paints from a prompt, and answers with the images. A client that hangs up cancels them."""
    options = await _options(services, caller, body)
    return await _paint(services, caller, request, body, plan_txt2img(body, options, services.catalog), options)


@router.post("/img2img")
async def img2img(body: Img2ImgRequest, request: Request, services: ServicesDep, caller: CallerDep) -> GenerationReply:
    """Repaints pictures, whole or under a mask. A client that hangs up cancels them."""
    options = await _options(services, caller, body)
    return await _paint(services, caller, request, body, plan_img2img(body, options, services.catalog), options)


async def run_tasks(
    services: Services,
    caller: Caller,
    request: Request,
    tasks: Sequence[tuple[str, dict[str, Any]]],
    output: Output = DEFAULT_OUTPUT,
    request_id: str = "",
) -> list[Manifest]:
    """The results of tasks, each of a type and params. An interrupted task has none.

    `request_id` is what the client calls the request, if it has a name for it. Raises what `submit` raises,
    TaskFailedError, WithheldError, ClientGoneError.
    """
    request_id = request_id or f"task({secrets.token_hex(8)})"
    submissions = [
        Submission(name, params, caller.tenant, output=output, dialect=NAME, key=caller.key, request_id=request_id)
        for name, params in tasks
    ]
    views = await submit_all(services, submissions)
    cancels = NAME in services.settings.cancel_on_hang_up
    ended = await wait_for_all(services, views, request.receive, cancels=cancels)
    refuse_failed(ended)
    refuse_withheld(ended)
    return ended


def first_images(ended: Sequence[Manifest]) -> list[Image]:
    """The one image of each of these tasks. Raises TaskFailedError if one was interrupted, or its image is withheld."""
    images = [image for manifest in ended for image in manifest.images[:1] if image.safe]
    if len(images) < len(ended):
        raise TaskFailedError("the request was interrupted, or the audit withholds an image of it; send it again")
    return images


async def _options(services: Services, caller: Caller, body: GenerationRequest) -> dict[str, Any]:
    changes = {name: value for name, value in body.override_settings.items() if value not in (None, "")}
    return await read_options(services, caller) | changes


async def _paint(
    services: Services,
    caller: Caller,
    request: Request,
    body: GenerationRequest,
    painting: Painting,
    options: dict[str, Any],
) -> GenerationReply:
    repair = face_fix(body, options, services.catalog)
    tasks = [(painting.task_type, params) for params in painting.tasks(body.images)]
    output = output_of(options)
    ended = await run_tasks(services, caller, request, tasks, output, body.force_task_id)
    if repair is None:
        return await generation_reply(services, body, ended, shows_maps=painting.shows_maps)
    repairs = [("img2img.face_fix", params) for params in _repairs(ended, repair)]
    repaired = await run_tasks(services, caller, request, repairs, output, body.force_task_id)
    return await generation_reply(services, body, ended, shows_maps=painting.shows_maps, repaired=repaired)


def _repairs(ended: Sequence[Manifest], repair: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The params that repair the faces of each painted image. Where they are painted again, it is as the image was."""
    for painted in painted_images(ended):
        same = {name: value for name in SAME if (value := painted.manifest.task.params.get(name)) is not None}
        source = {"task": painted.manifest.task.id, "index": painted.index}
        yield {"url": source, "seed": painted.image.seed, **(same if repair["method"] == "repaint" else {}), **repair}
