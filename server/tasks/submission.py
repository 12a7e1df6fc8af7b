"""Turns a request into an accepted task: it can run, and it is durable before the request is answered."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from opentelemetry.trace import SpanKind
from pydantic import ValidationError

import pipelines
from models.catalog.catalog import Catalog
from pipelines.params.image_refs import image_references, with_references
from pipelines.pipeline import AnyPipeline, Params, Work
from server.broker import BrokerUnavailableError, RecordTooLargeError
from server.observability.logs import about
from server.observability.metrics import TASKS_ACCEPTED
from server.observability.tracing import span, traceparent
from server.queue import QueueUnavailableError, View
from server.services import Services
from server.storage.bucket import BucketUnavailableError
from server.task import AnyRetention, Callback, Output, Priority, Status, Task
from server.tasks.input_images import CheckedImages, InputImages
from server.tasks.lookup import UnknownTaskError, find_record
from server.tasks.missing_models import refuse_missing_models
from server.tasks.prompts.preparation import PreparedPrompts, prepare_prompts
from server.tasks.prompts.task_prompt import PromptRefusedError
from server.tasks.retention import choose_retention
from server.tasks.validation_errors import describe_errors
from server.tenancy.policy import NotAllowedError, TenantPolicy
from server.tenancy.uploads import UploadLimitError

log = logging.getLogger(__name__)
DEFAULT_OUTPUT = Output()
DEFAULT_PRIORITY: Priority = "normal"
NOT_PUBLISHED = (UploadLimitError, BucketUnavailableError, BrokerUnavailableError, RecordTooLargeError)
_NAMESPACE = uuid.UUID("6f1f3c8e-5a0b-4f0e-9d0a-9a1d6c0de5b7")


class InvalidParamsError(Exception):
    """A parameter is unknown, missing or out of range. `field` is its path."""

    def __init__(self, message: str, field: str) -> None:
        super().__init__(message)
        self.field = field


class TooManyPixelsError(Exception):
    """The requested images are larger than this server allows."""


class IdempotencyConflictError(Exception):
    """The same Idempotency-Key came with two different requests."""


@dataclass(frozen=True, slots=True)
class Submission:
    """A task as a client submits it."""

    type: str
    """A name or alias of a task type."""
    params: Mapping[str, Any] | Params
    tenant: str
    priority: Priority | None = None
    """None: `normal`, or the first that the tenant may use."""
    retention: AnyRetention | None = None
    output: Output = DEFAULT_OUTPUT
    callback_url: str = ""
    callback_nonce: str = ""
    """Sent back in the callback, in dialects that have it there."""
    dialect: str = "hua"
    """The wire format of the request, and of its callback."""
    key: str = ""
    request_id: str = ""
    """As in Task."""
    idempotency_key: str | None = None


async def spend_token(services: Services, tenant: str, idempotency_key: str | None) -> None:
    """Takes a token of the tenant's rate limit, unless the request repeats one that was accepted.

    Raises RateLimitError, QueueUnavailableError.
    """
    rate = services.tenants.policy(tenant).rate
    if rate is None:
        return
    if idempotency_key is not None:
        with contextlib.suppress(UnknownTaskError):
            if (await find_record(services, _task_id(tenant, idempotency_key), tenant)).view.accepted:
                return
    await services.queue.spend(tenant, rate.per_minute, rate.burst)


async def submit(services: Services, submission: Submission) -> View:
    """Accepts a task. If its Idempotency-Key was used before, returns the task that was accepted then.

    The caller has taken a token of the rate limit (`spend_token`) before it read the request. Raises
    UnknownTaskTypeError, InvalidParamsError, TooManyPixelsError, UnknownModelError, MisfitError, BadInputError,
    EgressDeniedError, UnsafeTextError, AuditUnavailableError, LLMError, IdempotencyConflictError, NotAllowedError,
    KeepLimitError, MissingModelError, TaskLimitError, UploadLimitError, RecordTooLargeError, BrokerUnavailableError,
    BucketUnavailableError, QueueUnavailableError.
    """
    request = _read(submission)
    if request.fingerprint and (earlier := await _accepted_before(services, request)):
        return earlier
    inputs = InputImages.of(services)
    task, images = await _create_task(services, request, inputs)
    await refuse_missing_models(services, task.models)
    limit = services.tenants.policy(submission.tenant).task_limit or services.settings.task_limit
    return await _enqueue(services, task, limit, partial(inputs.keep, images, submission.tenant))


@dataclass(frozen=True, slots=True)
class _Request:
    """A submission whose params are valid, and what tells it from others."""

    submission: Submission
    pipeline: AnyPipeline
    params: Params
    task_id: str
    fingerprint: str
    """Hex digest of the request; empty if it has no Idempotency-Key."""


def _read(submission: Submission) -> _Request:
    pipeline = pipelines.find(submission.type)
    params = _validated(pipeline, submission.params)
    task_id = _task_id(submission.tenant, submission.idempotency_key)
    is_repeatable = submission.idempotency_key is not None
    fingerprint = _fingerprint(pipeline, params, submission) if is_repeatable else ""
    return _Request(submission, pipeline, params, task_id, fingerprint)


async def _create_task(services: Services, request: _Request, inputs: InputImages) -> tuple[Task, CheckedImages]:
    """The task, and the images that are to be stored before it is published."""
    submission, pipeline = request.submission, request.pipeline
    policy = services.tenants.policy(submission.tenant)
    priority = allowed_priority(policy, submission.priority)
    stored = await choose_retention(services, submission.tenant, submission.retention)
    catalog = services.catalog
    prepared = await _prepare(services, pipeline, request.params, submission.tenant)
    params, images = await _resolve(services, catalog, pipeline, prepared.params, inputs, submission.tenant)
    work = pipeline.work(params)
    task = Task(
        id=request.task_id,
        type=pipeline.names[0],
        params=params.model_dump(mode="json"),
        tenant=submission.tenant,
        created_at=services.clock(),
        priority=priority,
        retention=stored.retention,
        keep_bytes=stored.keep_bytes,
        output=submission.output,
        callback=_callback(services, submission, params),
        dialect=submission.dialect,
        key=submission.key,
        request_id=submission.request_id,
        models=tuple(catalog.find(ref).name for ref in pipeline.needs(params)),
        fetches=bool(image_references(params)),
        cost=work.cost,
        most_pixels=work.pixels if work.is_upper_bound else 0,
        weight=policy.weight,
        original_prompts=dict(prepared.originals),
        notes=prepared.notes,
        audit=prepared.audit,
        reasons=prepared.reasons,
        fingerprint=request.fingerprint,
        traceparent=traceparent(),
    )
    return task, images


def _validated(pipeline: AnyPipeline, params: Mapping[str, Any] | Params) -> Params:
    try:
        validated: Params = pipeline.Params.model_validate(params)
    except ValidationError as error:
        raise _invalid(pipeline, error) from error
    return validated


def _invalid(pipeline: AnyPipeline, error: ValidationError) -> InvalidParamsError:
    field, message = describe_errors(error.errors(include_url=False), pipeline.Params.model_fields)
    return InvalidParamsError(message, field)


def _task_id(tenant: str, idempotency_key: str | None) -> str:
    """Random, or derived from the Idempotency-Key, so that a repeated request has its id even if the queue lost it."""
    if idempotency_key is None:
        return uuid.uuid4().hex
    return uuid.uuid5(_NAMESPACE, f"{tenant}:{idempotency_key}").hex


def _fingerprint(pipeline: AnyPipeline, params: Params, submission: Submission) -> str:
    """A hex digest of the request as it was sent, so that a new default value does not change it."""
    request = [
        pipeline.names[0],
        params.model_dump(mode="json", exclude_unset=True),
        submission.priority or DEFAULT_PRIORITY,
        submission.retention,
        submission.output.model_dump(),
        submission.callback_url,
        submission.dialect,
        *filter(None, [submission.callback_nonce]),
    ]
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


async def _accepted_before(services: Services, request: _Request) -> View | None:
    """The task that the same request was accepted as. Raises IdempotencyConflictError."""
    try:
        earlier = (await find_record(services, request.task_id, request.submission.tenant)).view
    except UnknownTaskError:
        return None
    _refuse_other_request(earlier, request.fingerprint)
    return earlier if earlier.accepted else None


def _refuse_other_request(earlier: View, fingerprint: str) -> None:
    if earlier.task.fingerprint != fingerprint:
        raise IdempotencyConflictError(
            "this Idempotency-Key was used for another request; use a new key for each task, "
            "and the same key only to repeat the same request"
        )


def allowed_priority(policy: TenantPolicy, requested: Priority | None) -> Priority:
    """Raises NotAllowedError."""
    if requested is None:
        return DEFAULT_PRIORITY if DEFAULT_PRIORITY in policy.priorities else policy.priorities[0]
    if requested not in policy.priorities:
        raise NotAllowedError("priority", requested, policy.priorities)
    return requested


async def _prepare(services: Services, pipeline: AnyPipeline, requested: Params, tenant: str) -> PreparedPrompts:
    try:
        return await prepare_prompts(services, pipeline, requested, tenant)
    except ValidationError as error:
        raise _invalid(pipeline, error) from error
    except PromptRefusedError as error:
        raise InvalidParamsError(str(error), error.field) from error


async def _resolve(
    services: Services,
    catalog: Catalog,
    pipeline: AnyPipeline,
    requested: Params,
    inputs: InputImages,
    tenant: str,
) -> tuple[Params, CheckedImages]:
    """The params as they will run: names resolved, within limits, seeds drawn; and the images that are to be stored."""
    try:
        params: Params = pipeline.resolve_names(requested, catalog)
    except ValidationError as error:
        raise _invalid(pipeline, error) from error
    _refuse_too_many_pixels(pipeline.work(params), services.settings.max_pixels)
    images = await inputs.check(params, tenant, pipeline.transparent_inputs(params))
    resolved: Params = pipeline.resolve(with_references(params, images.ids))
    return resolved, images


def _refuse_too_many_pixels(work: Work, limit: int) -> None:
    if work.pixels > limit:
        side = int(limit**0.5)
        advice = (
            f"set max_wh to at most {side}" if work.is_upper_bound else f"ask for a smaller size, such as {side}×{side}"
        )
        raise TooManyPixelsError(
            f"images of {work.pixels} pixels are above this server's limit of {limit}; {advice}, "
            "or ask the operator to raise HUA_MAX_PIXELS"
        )


def _callback(services: Services, submission: Submission, params: Params) -> Callback | None:
    url = submission.callback_url or getattr(params, "callback_url", "")
    if not url:
        return None
    return Callback(url=services.egress.check(url), dialect=submission.dialect, nonce=submission.callback_nonce)


async def _enqueue(services: Services, task: Task, limit: int, keep_images: Callable[[], Awaitable[None]]) -> View:
    """Takes a slot, then stores the images, then writes the log, then the queue.

    A crash in between leaves a task that is either not accepted or not lost. Images of a task that was not accepted are
    deleted after a day, as all input images are.

    A repeated request writes a task that has a slot but is not in the log yet itself, because the first API process may
    have died in between.
    """
    earlier = await services.queue.admit(task, limit)
    if earlier is not None:
        _refuse_other_request(earlier, task.fingerprint)
        if earlier.accepted:
            return earlier
        task = earlier.task
    try:
        await keep_images()
        with span("publish", kind=SpanKind.PRODUCER, task=task.id):
            await services.broker.publish_task(task)
    except (*NOT_PUBLISHED, asyncio.CancelledError):
        await services.queue.retract(task)
        raise
    prompts = f": {json.dumps(task.params, ensure_ascii=False)}" if services.settings.log_prompts else ""
    with about(task=task.id, tenant=task.tenant):
        log.info("accepted %s %s%s", task.id, task.type, prompts)
    TASKS_ACCEPTED.labels(task.type, task.priority).inc()
    with contextlib.suppress(QueueUnavailableError):
        # The controller does the same a little later; the task is safe in the log already.
        if (position := await services.queue.ingest(task)) is not None:
            return View(task, Status.QUEUED, position)
        return await services.queue.find(task.id) or View(task, Status.QUEUED)
    return View(task, Status.QUEUED)
