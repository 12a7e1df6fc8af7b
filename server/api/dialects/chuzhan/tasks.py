"""Submits the tasks of all requests of this API, and finds them again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Request

from server.api.dialects.chuzhan.answers import NAME
from server.api.dialects.chuzhan.request import DetailRequest, NotifiedRequest
from server.queue import View
from server.services import Services
from server.task import Priority
from server.tasks.lookup import TaskRecord, find_record, from_manifest
from server.tasks.submission import Submission, submit
from server.tasks.waiting import wait_for_all


async def submit_task(
    services: Services,
    tenant: str,
    body: NotifiedRequest,
    task_type: str,
    params: Mapping[str, Any],
    idempotency_key: str | None,
    priority: Priority | None = None,
) -> View:
    """Raises what `submit` raises."""
    submission = Submission(
        task_type,
        params,
        tenant,
        priority=priority,
        callback_url=body.callback,
        callback_nonce=body.nonce if body.callback else "",
        dialect=NAME,
        idempotency_key=idempotency_key,
    )
    return await submit(services, submission)


async def find_task(services: Services, tenant: str, body: DetailRequest, request: Request) -> TaskRecord:
    """The task; with `waitUtilEnd`, not before it has ended. Raises UnknownTaskError."""
    record = await find_record(services, body.task_id, tenant)
    if body.wait_util_end and record.manifest is None:
        (manifest,) = await wait_for_all(services, [record.view], request.receive, cancels=False)
        record = from_manifest(manifest)
    return record
