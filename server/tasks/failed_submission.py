"""Accepts a task that cannot run, for wire formats whose clients expect failures as results and not as refusals."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import uuid
from collections.abc import Mapping
from typing import Any

import pipelines
from pipelines import UnknownTaskTypeError
from pipelines.unsupported import UnsupportedTaskTypeError
from server.egress.client import EgressDeniedError
from server.observability.logs import about
from server.observability.tracing import traceparent
from server.services import Services
from server.task import Callback, Failure, Outcome, Status, Task
from server.tasks.submission import NOT_PUBLISHED, Submission, allowed_priority

log = logging.getLogger(__name__)

UNKNOWN_TYPE = "unknown"
"""Stands for a task type that does not exist. Metrics and usage count by type, so callers must not invent values."""

MAX_PARAMS_BYTES = 16 << 10
"""Params with more bytes of JSON, such as images in base64, are not stored with the failure."""


async def submit_failed(
    services: Services, submission: Submission, params: Mapping[str, Any], failure: Failure
) -> Task:
    """A task that has already failed; only its outcome is written to the log, so no worker ever sees it.

    `params`: those of the request, which the task keeps instead of the submission's; but not where words are audited,
    because they were not judged.
    Raises TaskLimitError, RecordTooLargeError, BrokerUnavailableError, QueueUnavailableError.
    """
    policy = services.tenants.policy(submission.tenant)
    terms = services.text_audit.terms(policy.audit)
    now = services.clock()
    task = Task(
        id=uuid.uuid4().hex,
        type=_bounded_type(submission.type),
        params={} if terms.judges_texts else _storable(params),
        tenant=submission.tenant,
        created_at=now,
        priority=allowed_priority(policy, submission.priority),
        callback=_callback(services, submission, params),
        weight=policy.weight,
        traceparent=traceparent(),
    )
    outcome = Outcome(task=task, attempt="", status=Status.FAILED, failure=failure, finished_at=now)
    await services.queue.admit(task, policy.task_limit or services.settings.task_limit)
    try:
        await services.broker.publish_outcome(outcome)
    except (*NOT_PUBLISHED, asyncio.CancelledError):
        await services.queue.retract(task)
        raise
    with about(task=task.id, tenant=task.tenant):
        log.info("accepted %s as failed: %s", task.id, failure.code)
    return task


def _bounded_type(name: str) -> str:
    try:
        return pipelines.find(name).names[0]
    except UnsupportedTaskTypeError:
        return name
    except UnknownTaskTypeError:
        return UNKNOWN_TYPE


def _storable(params: Mapping[str, Any]) -> dict[str, Any]:
    """Params as they were sent, without the lone surrogates that JSON may have and UTF-8 has not."""
    text = json.dumps(params, ensure_ascii=False).encode("utf-8", "replace")
    return dict(json.loads(text)) if len(text) <= MAX_PARAMS_BYTES else {}


def _callback(services: Services, submission: Submission, params: Mapping[str, Any]) -> Callback | None:
    """None if the address is not allowed: the failure cannot be sent there."""
    url = submission.callback_url or params.get("callback_url")
    with contextlib.suppress(EgressDeniedError):
        if url and isinstance(url, str):
            return Callback(url=services.egress.check(url), dialect=submission.dialect)
    return None
