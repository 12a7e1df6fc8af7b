"""The two routes for portraits: /engine/img2acg and /open/ai_convert. Both submit img2img.portrait."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import Field

import pipelines
from models.catalog.catalog import Catalog
from server.api.dependencies import ServicesDep, Submitter
from server.api.dialects.nolibox.enveloped import (
    REFUSED,
    DraftReply,
    DraftRoute,
    EnvelopedRefusal,
    EnvelopedRoute,
    Uid,
)
from server.api.dialects.nolibox.push import NAME, PushBody, push_task
from server.api.errors import Problem
from server.queue import TaskLimitError
from server.services import Services
from server.tasks.submission import InvalidParamsError

TASK = "img2img.portrait"
IGNORED = frozenset({"version", "task"})
"""Fields that samples of that API send, and that have no effect on a portrait."""


class PortraitBody(PushBody):
    """The fields of a portrait, beside `notify_url` or in `params`: `image_url`, `style`, `w`, `h`, `fidelity`…"""

    task: str = Field("", max_length=64, description="Ignored.")


class ConvertRoute(DraftRoute):
    """Its replies have `code` 0 or 1; 7001 still says that there are too many unfinished tasks."""

    @staticmethod
    def refuse(problem: Problem) -> Response:
        if problem.code == str(TaskLimitError.code):
            return EnvelopedRoute.refuse(problem)
        body = EnvelopedRefusal(code=1, data={}, msg=problem.message).model_dump()
        return JSONResponse(body, problem.status, dict(problem.headers))


router = APIRouter(route_class=DraftRoute, responses=REFUSED)
SUBMITTED: dict[int | str, dict[str, Any]] = {200: {"model": DraftReply | EnvelopedRefusal}}


@router.post("/engine/img2acg", responses=SUBMITTED)
async def draw_portrait(body: PortraitBody, services: ServicesDep, tenant: Submitter) -> DraftReply:
    """A portrait in one of twelve styles of anime, without a prompt."""
    sent = {**(body.model_extra or {}), **body.params}
    if not sent.get("style"):
        raise InvalidParamsError(f"style is missing; send one of {', '.join(_own_styles())}", "style")
    return await push_portrait(services, tenant, sent, body.notify_url)


async def convert(body: PortraitBody, services: ServicesDep, tenant: Submitter) -> DraftReply:
    """A picture in a style, with a `prompt`; with `guess_mode` the net guesses what the picture shows."""
    sent = {**(body.model_extra or {}), **body.params}
    return await push_portrait(services, tenant, sent, body.notify_url)


router.add_api_route(
    "/open/ai_convert", convert, methods=["POST"], responses=SUBMITTED, route_class_override=ConvertRoute
)


async def push_portrait(
    services: Services, tenant: str, sent: Mapping[str, Any], notify_url: str, dialect: str = NAME
) -> DraftReply:
    """Raises InvalidParamsError for a style that there is not, or without a picture, and the errors of `push_task`."""
    body = PushBody(task=TASK, params=portrait_params(sent, services.catalog), notify_url=notify_url)
    reply = await push_task(services, tenant, body, dialect)
    return DraftReply(data=Uid(uid=reply.uid))


def portrait_params(sent: Mapping[str, Any], catalog: Catalog) -> dict[str, Any]:
    """The params of a portrait. Raises InvalidParamsError."""
    params = {name: value for name, value in sent.items() if name not in IGNORED and value not in (None, "")}
    if not params.get("url") and not params.get("image_url"):
        raise InvalidParamsError("image_url is missing; add the address of a portrait", "image_url")
    name = str(params.get("style", ""))
    style = catalog.find_style(name)
    if name and style is None and name not in _own_styles():
        known = ", ".join(dict.fromkeys((*_own_styles(), *catalog.styles)))
        raise InvalidParamsError(f"there is no style {name!r}; there are: {known}", "style")
    if style is not None and style.model:
        params.pop("is_anime", None)  # samples of that API always send it; the operator has chosen the model
    return params


def _own_styles() -> tuple[str, ...]:
    return tuple(pipelines.find(TASK).own_styles)
