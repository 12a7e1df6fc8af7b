"""Draw four images, then enlarge one, vary it, or show more around it.

The documents name `/draw` and `/task/progress`. The other addresses are Hua's own.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from pydantic import Field

from pipelines.params.limits import SEEDS
from server.api.dependencies import Reader, ServicesDep, Submitter
from server.api.dialects.chuzhan.answers import Answer, ImageResult, Reply, task_detail
from server.api.dialects.chuzhan.midjourney import painting
from server.api.dialects.chuzhan.midjourney.request import (
    DescribeRequest,
    ImageRequest,
    ImagineRequest,
    ProgressRequest,
    VariationRequest,
    ZoomOutRequest,
)
from server.api.dialects.chuzhan.midjourney.request import Request as Sent
from server.api.dialects.chuzhan.refusals import ChuzhanRoute, DrawRoute, RefusedReply
from server.api.dialects.chuzhan.tasks import find_task, submit_task
from server.api.dialects.model_names import has_captioner, has_enhancer
from server.services import Services
from server.task import Manifest, Priority
from server.tasks.lookup import TaskRecord, find_record
from server.tasks.submission import InvalidParamsError

PRICES = {"relax": 25, "fast": 40}
"""Points that the hosted service charges."""
PRIORITIES: dict[str, Priority] = {"relax": "low", "fast": "high"}

router = APIRouter(prefix="/v1/mj", route_class=ChuzhanRoute)
IdempotencyKey = Annotated[str | None, Header(min_length=1, max_length=200)]


class Accepted(Answer):
    painting_sign: str = Field(description="The `taskId` of the other addresses.")
    used: int = Field(description="What the hosted service would have charged.")
    balance: None = Field(None, description="This server has no points.")


class Progress(Answer):
    task_id: str
    state: str = Field(description="in_queue, running, success or fail.")
    progress: str = Field(description="0% to 100%.")
    progress_value: float = Field(description="0 to 1.")
    current_image: str = Field(alias="current_image", description="While the task runs: a JPEG in base64.")
    audit: int = Field(description="1 if the audit withholds an image.")
    img_url: str = Field(description="The sheet of the four images, or the one image.")
    images: list[ImageResult] = Field(description="Each image alone.")
    descriptions: list[str] = Field(description="Of a task of /v1/mj/describe: prompts for such a picture.")
    fail_reason: str


async def draw(
    body: ImagineRequest, services: ServicesDep, tenant: Submitter, idempotency_key: IdempotencyKey = None
) -> Reply[Accepted]:
    """Four images of a prompt, or around a picture."""
    return await _submit(services, tenant, body, "workflow", painting.drawing(body, services.catalog), idempotency_key)


async def upscale(
    body: ImageRequest, services: ServicesDep, tenant: Submitter, idempotency_key: IdempotencyKey = None
) -> Reply[Accepted]:
    """One image of an earlier task, twice as large."""
    manifest = await _ended(services, body.task_id, tenant)
    params = painting.enlargement(manifest, body.index)
    return await _submit(services, tenant, body, "img2img.sr", params, idempotency_key)


async def vary(
    body: VariationRequest, services: ServicesDep, tenant: Submitter, idempotency_key: IdempotencyKey = None
) -> Reply[Accepted]:
    """Four images that resemble one of an earlier task."""
    manifest = await _ended(services, body.task_id, tenant)
    params = painting.variation(body, manifest, _seed(idempotency_key))
    return await _submit(services, tenant, body, "workflow", params, idempotency_key)


async def zoom_out(
    body: ZoomOutRequest, services: ServicesDep, tenant: Submitter, idempotency_key: IdempotencyKey = None
) -> Reply[Accepted]:
    """Four images that show what is around one of an earlier task."""
    manifest = await _ended(services, body.task_id, tenant)
    image = manifest.outcome.images[painting.index_of(manifest, body.index)]
    params = painting.zooming_out(body, manifest, image)
    return await _submit(services, tenant, body, "workflow", params, idempotency_key)


async def describe(
    body: DescribeRequest, services: ServicesDep, tenant: Submitter, idempotency_key: IdempotencyKey = None
) -> Reply[Accepted]:
    """Prompts for such a picture; /v1/mj/task/progress has them as `descriptions`."""
    if not has_captioner(services.catalog):
        raise InvalidParamsError(
            "describe needs a model of family captioner, and this server has none; ask the operator for one", "imageUrl"
        )
    task_type, params = painting.description(body.image_url, enhances=has_enhancer(services.catalog))
    return await _submit(services, tenant, body, task_type, params, idempotency_key)


_SUBMISSIONS: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("/draw", draw),
    ("/upscale", upscale),
    ("/variation", vary),
    ("/zoom-out", zoom_out),
    ("/describe", describe),
)
for _path, _route in _SUBMISSIONS:
    router.add_api_route(
        _path,
        _route,
        methods=["POST"],
        response_model=Reply[Accepted] | RefusedReply,
        response_model_exclude_none=True,
        route_class_override=DrawRoute,
    )


@router.post("/task/progress", response_model=Reply[Progress] | RefusedReply)
async def get_progress(
    body: ProgressRequest, request: Request, services: ServicesDep, tenant: Reader
) -> Reply[Progress]:
    """The state and the images of a task; with `waitUtilEnd`, not before it has ended."""
    record = await find_task(services, tenant, body, request)
    found = task_detail(record, services.links, body, services.clock())
    return Reply(
        data=Progress(
            task_id=found.task_id,
            state=found.state,
            progress=f"{found.progress:.0%}",
            progress_value=found.progress,
            current_image=found.current_image,
            audit=found.audit,
            img_url=found.img_url,
            images=found.images,
            descriptions=_descriptions(record),
            fail_reason=found.fail_reason,
        )
    )


async def _ended(services: Services, task_id: str, tenant: str) -> Manifest:
    """Raises UnknownTaskError, InvalidParamsError."""
    record = await find_record(services, task_id, tenant)
    if record.manifest is None:
        raise InvalidParamsError(f"task {task_id} has not ended; ask /aiapi/v1/mj/task/progress first", "taskId")
    return record.manifest


async def _submit(
    services: Services,
    tenant: str,
    body: Sent,
    task_type: str,
    params: dict[str, Any],
    idempotency_key: str | None,
) -> Reply[Accepted]:
    wanted, allowed = PRIORITIES[body.type], services.tenants.policy(tenant).priorities
    priority = wanted if wanted in allowed else None
    view = await submit_task(services, tenant, body, task_type, params, idempotency_key, priority)
    return Reply(data=Accepted(painting_sign=view.task.id, used=PRICES[body.type]))


def _seed(idempotency_key: str | None) -> int:
    """Random, but the same for a request that is repeated with its key."""
    if idempotency_key is None:
        return secrets.randbelow(SEEDS)
    return int.from_bytes(hashlib.sha256(idempotency_key.encode()).digest()[:8]) % SEEDS


def _descriptions(record: TaskRecord) -> list[str]:
    answer = (record.manifest.outcome.answer if record.manifest else None) or {}
    caption = answer.get("intermediate", {}).get("caption", {"answer": answer})["answer"] or {}
    prompts = (answer.get("target") or {}).get("prompts", [])
    return [text for text in (caption.get("text", ""), *prompts) if text]
