"""The one route of this dialect. Errors are plain text, as its clients print them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fastapi import Request, Response
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel

from server.api.authenticated_route import SubmissionRoute
from server.api.dependencies import ServicesDep, Submitter
from server.api.dialects.dialect import DialectRoute
from server.api.dialects.nextgpu.request import PublishRequest
from server.api.errors import Problem
from server.api.router import Router
from server.api.task_response import linked_images
from server.audit.text_audit import UnsafeTextError
from server.task import Manifest, Status
from server.tasks.submission import Submission
from server.tasks.waiting import TaskFailedError, refuse_failed, refuse_withheld, submit_all, wait_for_all

NAME = "nextgpu"
MAX_SAMPLES = 8
"""The most images of one task."""
MAX_REPEATS = 50
"""How often a request is painted again whose earlier images are deleted, or whose earlier tasks have failed."""
REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Refused; the text tells why."}
    for status in (400, 401, 403, 404, 409, 410, 413, 422, 429, 500, 503)
}


def refuse(problem: Problem) -> Response:
    status = 400 if problem.status == 422 and problem.code != UnsafeTextError.code else problem.status
    return PlainTextResponse(problem.message, status, dict(problem.headers))


class NextgpuRoute(SubmissionRoute, DialectRoute):
    @staticmethod
    def refuse(problem: Problem) -> Response:
        return refuse(problem)


class ImageUrl(BaseModel):
    url: str


class PublishReply(BaseModel):
    data: list[ImageUrl]


router = Router(prefix="/session", tags=["nextgpu"], route_class=NextgpuRoute, responses=REFUSED)


@router.post("/publish")
async def publish(body: PublishRequest, request: Request, services: ServicesDep, tenant: Submitter) -> PublishReply:
    """Paints from a prompt, and answers with the addresses of the images once they are there."""
    params = body.params(services.catalog)
    key = body.idempotency_key(params)
    submissions = [
        Submission(
            "txt2img.sd", params | {"num_samples": min(MAX_SAMPLES, body.image_count - first)}, tenant, dialect=NAME
        )
        for first in range(0, body.image_count, MAX_SAMPLES)
    ]
    for attempt in range(MAX_REPEATS):
        views = await submit_all(services, _with_keys(submissions, key, attempt))
        cancels = key is None and NAME in services.settings.cancel_on_hang_up
        ended = await wait_for_all(services, views, request.receive, cancels=cancels)
        if not (any(view.status.final for view in views) and _is_useless(ended, services.clock())):
            break
    refuse_failed(ended)
    refuse_withheld(ended)
    if any(manifest.outcome.status is Status.CANCELED for manifest in ended):
        raise TaskFailedError("the task was canceled; send the request again")
    linked = [url for manifest in ended for url, _ in linked_images(manifest, "image", services.links) if url]
    return PublishReply(data=[ImageUrl(url=url) for url in linked])


def _with_keys(submissions: Sequence[Submission], key: str | None, attempt: int) -> list[Submission]:
    if key is None:
        return list(submissions)
    return [
        replace(submission, idempotency_key=f"{NAME} {key} {number} {attempt}")
        for number, submission in enumerate(submissions)
    ]


def _is_useless(ended: Sequence[Manifest], now: float) -> bool:
    """Whether an earlier request with the same key has no images to answer with: it failed, or they are deleted."""
    return any(each.outcome.status is not Status.SUCCEEDED or each.expires_at <= now for each in ended)
