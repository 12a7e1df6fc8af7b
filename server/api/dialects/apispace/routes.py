"""The routes of this dialect."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.datastructures import Headers

from server.api.dependencies import Reader, ServicesDep, Submitter
from server.api.dialects.nolibox.answers import STATUSES, status_data
from server.api.dialects.nolibox.enveloped import REFUSED, Envelope, EnvelopedRefusal, EnvelopedRoute, Uid
from server.api.dialects.nolibox.portrait import push_portrait
from server.api.dialects.nolibox.push import PushBody, PushRoute, push_task
from server.api.router import Router
from server.services import Services
from server.tasks.lookup import find_record
from server.tasks.submission import InvalidParamsError

NAME = "apispace"
LONGEST_SIDE = 768
"""What the documents of that API allow, in pixels."""


class ApispaceRoute(EnvelopedRoute):
    """Its clients send their key as `X-APISpace-Token`."""

    @staticmethod
    def authorization(headers: Headers) -> str | None:
        token = headers.get("x-apispace-token", "").strip()
        return f"Bearer {token}" if token else headers.get("authorization")


class ApispacePushRoute(ApispaceRoute, PushRoute):
    """A route that submits a task."""


class DrawBody(PushBody):
    """Parameters may be in `params`, beside it, or in both places. `task` is ignored: the address tells it."""

    task: str = Field("", max_length=64, examples=["txt2img.sd"])


class QueryBody(BaseModel):
    model_config = ConfigDict(extra="ignore")

    uid: str = Field(max_length=64)


class SubmittedReply(Envelope[Uid]):
    pass


class ImageStatus(BaseModel):
    model_config = ConfigDict(extra="allow")

    uid: str
    status: str = Field(description="pending, working, finished, exception or interrupted.")
    cdn: str = Field("", description="The address of the image; empty until it is finished, and if it is withheld.")
    safe: bool = True
    reason: str = Field("", description="Why there is no image.")


class QueryReply(Envelope[ImageStatus]):
    pass


GONE: dict[int | str, dict[str, Any]] = {404: REFUSED[401], 410: REFUSED[401]}
router = Router(prefix="/aigc", tags=["apispace"], route_class=ApispacePushRoute, responses=REFUSED)
SUBMITTED: dict[int | str, dict[str, Any]] = {200: {"model": SubmittedReply | EnvelopedRefusal}}


@router.post("/txt2img", responses=SUBMITTED)
async def draw_from_text(body: DrawBody, services: ServicesDep, tenant: Submitter) -> SubmittedReply:
    """Text to image, up to 768×768."""
    return await _submit(services, tenant, "txt2img.sd", body)


@router.post("/img2img", responses=SUBMITTED)
async def draw_from_image(body: DrawBody, services: ServicesDep, tenant: Submitter) -> SubmittedReply:
    """Image to image."""
    return await _submit(services, tenant, "img2img.sd", body)


@router.post("/img2acg", responses=SUBMITTED)
async def draw_as_anime(body: DrawBody, services: ServicesDep, tenant: Submitter) -> SubmittedReply:
    """A portrait in one of twelve styles, without a prompt. The address is our own: the document does not tell it."""
    params = _all_params(body)
    _refuse_above_limits(params)
    reply = await push_portrait(services, tenant, params, body.notify_url, NAME)
    return SubmittedReply(data=reply.data)


@router.post("/sr", responses=SUBMITTED)
async def enlarge(body: DrawBody, services: ServicesDep, tenant: Submitter) -> SubmittedReply:
    """Super-resolution, as many times larger as the model does. The address is our own, as that of img2acg."""
    return await _submit(services, tenant, "img2img.sr", body)


async def query_image(body: QueryBody, services: ServicesDep, tenant: Reader) -> QueryReply:
    """The state of a task, and its image once it has finished. Times are whole seconds."""
    record = await find_record(services, body.uid, tenant)
    data = status_data(record, services.links)
    whole = {name: int(value) for name, value in data.items() if name.endswith("_time") or name == "duration"}
    shown = {name: data[name] for name in ("cdn", "safe", "reason") if name in data}
    status = STATUSES[record.view.status]
    return QueryReply(data=ImageStatus(uid=body.uid, status=status, **whole, **shown))


router.add_api_route("/query-image", query_image, methods=["POST"], responses=GONE, route_class_override=ApispaceRoute)


async def _submit(services: Services, tenant: str, task: str, body: DrawBody) -> SubmittedReply:
    """Raises InvalidParamsError for a size or a number of images above that of the documents."""
    _refuse_above_limits(_all_params(body))
    reply = await push_task(services, tenant, body.model_copy(update={"task": task}), dialect=NAME)
    return SubmittedReply(data=Uid(uid=reply.uid))


def _refuse_above_limits(params: Mapping[str, Any]) -> None:
    for name, most, advice in (
        ("w", LONGEST_SIDE, "enlarge the image with /aigc/sr"),
        ("h", LONGEST_SIDE, "enlarge the image with /aigc/sr"),
        ("num_samples", 1, "send the request again for another image"),
    ):
        if (number := _number(params.get(name))) > most:
            raise InvalidParamsError(f"{name} {number:g} is above {most}; {advice}", name)


def _number(value: Any) -> float:
    """The number of a param; 0 if it is none, which the task refuses."""
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        return float(value)
    return 0


def _all_params(body: DrawBody) -> dict[str, Any]:
    return {**(body.model_extra or {}), **body.params}
