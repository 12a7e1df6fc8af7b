"""From a request to an accepted task: one that can be run, and that is durable before it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import SpanKind
from pydantic import ValidationError

import pipelines
from models.catalog.catalog import Catalog
from pipelines.params.image_refs import with_references
from pipelines.pipeline import AnyPipeline, Params, Work
from server.broker import BrokerUnavailableError, RecordTooLargeError
from server.observability.logs import about
from server.observability.metrics import TASKS_ACCEPTED
from server.observability.tracing import span, traceparent
from server.queue import QueueUnavailableError, View
from server.services import Services
from server.task import Callback, Output, Priority, Retention, Status, Task
from server.tasks.input_images import InputImages
from server.tasks.lookup import UnknownTaskError, find_record
from server.tasks.validation_errors import describe_errors
from server.tenancy.policy import TenantPolicy

log = logging.getLogger(__name__)
PLAIN = Output()
_NAMESPACE = uuid.UUID("6f1f3c8e-5a0b-4f0e-9d0a-9a1d6c0de5b7")


class InvalidParamsError(Exception):
    """A parameter is unknown, missing or out of its range; `field` says which."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class TooManyPixelsError(Exception):
    """The images asked for are larger than this server allows."""


class NotAllowedError(Exception):
    """The tenant may not ask for this; `field` says which part of the request is meant."""

    def __init__(self, field: str, asked: str, allowed: Sequence[str]) -> None:
        super().__init__(
            f"{field} {asked!r} is not open to you; use {' or '.join(allowed)}, or ask the operator for more"
        )
        self.field = field


class IdempotencyConflictError(Exception):
    """One Idempotency-Key came with two different requests."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A task as a client asks for it. `dialect` is the one its callback is to be written in."""

    type: str
    params: Mapping[str, Any] | Params
    tenant: str
    priority: Priority = "normal"
    retention: Retention | None = None
    output: Output = PLAIN
    callback_url: str = ""
    dialect: str = "hua"
    idempotency_key: str | None = None


async def submit(services: Services, submission: Submission) -> View:
    """Accepts a task; with an Idempotency-Key that was used before, answers the task of that time.

    Raises UnknownTaskTypeError, InvalidParamsError, TooManyPixelsError, UnknownModelError, MisfitError, BadInputError,
    EgressDeniedError, IdempotencyConflictError, NotAllowedError, RateLimitError, TaskLimitError, RecordTooLargeError,
    BrokerUnavailableError, QueueUnavailableError.
    """
    pipeline = pipelines.find(submission.type)
    asked = _validated(pipeline, submission.params)
    task_id, fingerprint = _id(submission), _fingerprint(pipeline, asked, submission)
    if submission.idempotency_key is not None:
        with contextlib.suppress(UnknownTaskError):
            known = _same((await find_record(services, task_id, submission.tenant)).view, fingerprint)
            if known.accepted:
                return known
    terms = services.tenants.policy(submission.tenant)
    retention = _allowed_retention(terms, submission, services.settings.retention)
    if terms.rate is not None:
        await services.queue.spend(submission.tenant, terms.rate.per_minute, terms.rate.burst)
    params = await _accepted(services, pipeline, _resolve_names(services.catalog, pipeline, asked), submission.tenant)
    work = pipeline.work(params)
    task = Task(
        id=task_id,
        type=pipeline.names[0],
        params=params.model_dump(mode="json"),
        tenant=submission.tenant,
        created_at=services.clock(),
        priority=submission.priority,
        retention=retention,
        output=submission.output,
        callback=_callback(services, submission, params),
        models=tuple(services.catalog.find(ref).name for ref in pipeline.needs(params)),
        cost=work.cost,
        most_pixels=work.pixels if work.bound else 0,
        weight=terms.weight,
        fingerprint=fingerprint,
        traceparent=traceparent(),
    )
    return await _enqueue(services, task, terms.task_limit or services.settings.task_limit)


def _validated(pipeline: AnyPipeline, params: Mapping[str, Any] | Params) -> Params:
    try:
        validated: Params = pipeline.Params.model_validate(params)
    except ValidationError as error:
        raise _invalid(pipeline, error) from error
    return validated


def _invalid(pipeline: AnyPipeline, error: ValidationError) -> InvalidParamsError:
    field, message = describe_errors(error.errors(include_url=False), pipeline.Params.model_fields)
    return InvalidParamsError(message, field)


def _id(submission: Submission) -> str:
    """Random, or a function of the key: the same request is then the same task, even if the queue forgot the first."""
    if submission.idempotency_key is None:
        return uuid.uuid4().hex
    return uuid.uuid5(_NAMESPACE, f"{submission.tenant}:{submission.idempotency_key}").hex


def _fingerprint(pipeline: AnyPipeline, params: Params, submission: Submission) -> str:
    """What was asked for, as hex; of the request as sent, so that new defaults do not make it another one."""
    asked = [
        pipeline.names[0],
        params.model_dump(mode="json", exclude_unset=True),
        submission.priority,
        submission.retention,
        submission.output.model_dump(),
        submission.callback_url,
        submission.dialect,
    ]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _same(known: View, fingerprint: str) -> View:
    if known.task.fingerprint != fingerprint:
        raise IdempotencyConflictError(
            "this Idempotency-Key was used for another request; use a new key for each task, "
            "and the same one only to repeat the same request"
        )
    return known


def _allowed_retention(terms: TenantPolicy, submission: Submission, usual: Retention) -> Retention:
    """How long the images are kept; raises NotAllowedError. Who may not have the usual retention has its own first."""
    if submission.priority not in terms.priorities:
        raise NotAllowedError("priority", submission.priority, terms.priorities)
    if submission.retention is None:
        return usual if usual in terms.retentions else terms.retentions[0]
    if submission.retention not in terms.retentions:
        raise NotAllowedError("retention", submission.retention, terms.retentions)
    return submission.retention


def _resolve_names(catalog: Catalog, pipeline: AnyPipeline, params: Params) -> Params:
    try:
        resolved: Params = pipeline.resolve_names(params, catalog)
    except ValidationError as error:
        raise _invalid(pipeline, error) from error
    return resolved


async def _accepted(services: Services, pipeline: AnyPipeline, asked: Params, tenant: str) -> Params:
    """The params as they will run: within limits, inline images stored, seeds drawn."""
    _refuse_too_many_pixels(pipeline.work(asked), services.settings.max_pixels)
    inputs = InputImages.of(services)
    await inputs.check(asked, tenant)
    kept: Params = with_references(asked, await inputs.store_inline(asked, tenant))
    resolved: Params = pipeline.resolve(kept)
    return resolved


def _refuse_too_many_pixels(work: Work, limit: int) -> None:
    if work.pixels > limit:
        side = int(limit**0.5)
        smaller = f"a max_wh of {side} at most" if work.bound else f"a smaller size, such as {side}×{side}"
        raise TooManyPixelsError(
            f"images of {work.pixels} pixels are above this server's limit of {limit}; ask for {smaller}, "
            "or have the operator raise HUA_MAX_PIXELS"
        )


def _callback(services: Services, submission: Submission, params: Params) -> Callback | None:
    url = submission.callback_url or getattr(params, "callback_url", "")
    if not url:
        return None
    services.egress.check(url)
    return Callback(url=url, dialect=submission.dialect)


async def _enqueue(services: Services, task: Task, limit: int) -> View:
    """Slot, then log, then queue: a crash in between leaves a task that is either not accepted or not lost.

    A repeated request for a task that is not in the log yet writes it there itself: whoever took the slot may be gone.
    """
    known = await services.queue.admit(task, limit)
    if known is not None:
        if _same(known, task.fingerprint).accepted:
            return known
        task = known.task
    try:
        with span("publish", kind=SpanKind.PRODUCER, task=task.id):
            await services.broker.publish_task(task)
    except (BrokerUnavailableError, RecordTooLargeError, asyncio.CancelledError):
        await services.queue.retract(task)
        raise
    said = f": {json.dumps(task.params, ensure_ascii=False)}" if services.settings.log_prompts else ""
    with about(task=task.id, tenant=task.tenant):
        log.info("accepted %s %s%s", task.id, task.type, said)
    TASKS_ACCEPTED.labels(task.type, task.priority).inc()
    with contextlib.suppress(QueueUnavailableError):
        # Intake would do the same a little later; the task is safe in the log already.
        if (position := await services.queue.ingest(task)) is not None:
            return View(task, Status.QUEUED, position)
        return await services.queue.find(task.id) or View(task, Status.QUEUED)
    return View(task, Status.QUEUED)
