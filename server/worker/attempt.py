"""One attempt at one task: fetch its inputs, run it on the device, store its images, publish its outcome."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal, TypeVar

from opentelemetry.trace import SpanKind

import pipelines
from pipelines.engine.events import Advanced, Finished
from pipelines.pipeline import Params, TaskResult
from server.audit.text_audit import AuditUnavailableError, UnsafeTextError
from server.broker import RecordTooLargeError
from server.images.codec import OversizedImageError, preview_jpeg
from server.observability.logs import about
from server.observability.metrics import STAGE_SECONDS
from server.observability.tracing import record_span, span
from server.queue import Lease, Progress, QueueUnavailableError, Verdict
from server.services import Services
from server.storage.bucket import BucketUnavailableError
from server.storage.bucket_keys import image_key
from server.task import POISON, RETENTION_S, Image, Outcome, Status
from server.tasks.input_images import BadInputError, InputImages
from server.worker.device_metrics import DeviceMetrics
from server.worker.device_places import DevicePlaces
from server.worker.device_process import Device, DeviceDiedError, DeviceGoneError, TaskFailedError, TaskParkedError
from server.worker.image_writer import ImageWriter
from server.worker.messages import Run
from server.worker.outage import LeaseLostError, retry_while_leased
from server.worker.outcome_publisher import OutcomePublisher
from server.worker.outcomes import Outcomes
from server.worker.result_audit import ResultAudit
from server.worker.stage_times import StageTimes

log = logging.getLogger(__name__)
HEARTBEAT_PAUSE_S = 0.1
"""Progress causes no more heartbeats than this; they also tell early of a cancel."""
DEATHS_UNTIL_PLAIN = 2
"""Devices that have died under a task before it runs plainly: the next death may make it poison."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AttemptContext:
    """What all attempts of a worker share."""

    services: Services
    inputs: InputImages
    publisher: OutcomePublisher
    metrics: DeviceMetrics
    places: DevicePlaces
    spawn: Callable[[Coroutine[None, None, None]], object]
    """Runs a coroutine in the background."""


class Attempt:
    """The life of one lease. `run` takes it to its end; the other methods may be called while it runs.

    A task with nothing to fetch takes its place at the device at once. All others take it when they have been fetched,
    so that no place is held by a slow host.
    """

    def __init__(self, lease: Lease, context: AttemptContext) -> None:
        self.lease = lease
        self.stage: Literal["fetch", "device", "publish"] = "fetch"
        """`fetch` until it has a place at the device, `publish` when it has left it."""
        self._context = context
        self._queue, self._bucket = context.services.queue, context.services.bucket
        self._clock = context.services.clock
        self._device: Device | None = None
        self._device_done = False
        self._alone = lease.deaths > 0
        """A task under which a device has died gets the device for itself, so that no other task dies with it."""
        self._lease_lost = False
        self._progress: Progress | None = None
        self._last_heartbeat_at = 0.0
        self._waiting: asyncio.Timeout | None = None
        self._times = StageTimes()
        self._outcomes = Outcomes(lease, self._clock, self._times)
        self._audit = ResultAudit(context.services, lease.task)

    def skip_fetch(self) -> None:
        """Takes a place at the device at once if there is nothing to wait for. To be called before `run`."""
        places = self._context.places
        if not (self.lease.task.fetches or self.lease.parked or self._alone or places.held_alone):
            places.occupy(self.lease.task.tenant)
            self.stage = "device"

    async def run(self) -> None:
        """Ends with an outcome in the log, with the lease given back, or with the lease lost."""
        task = self.lease.task
        fields = {"task": task.id, "tenant": task.tenant, "attempt": self.lease.token, "worker": self.lease.worker}
        self._observe_wait()
        with about(**fields), span("attempt", task.traceparent, SpanKind.CONSUMER, type=task.type, **fields):
            log.info("→ %s %s", task.id, task.type)
            try:
                outcome = await self._outcome()
                if outcome is not None:
                    self._observe(outcome)
                    await self._publish(outcome)
            except Exception as error:
                await self._count_bug(error)

    async def heartbeat(self) -> None:
        """Renews the lease and reports progress; stops the attempt if the lease is lost."""
        try:
            verdict = await self._queue.heartbeat(self.lease, self._progress, self.stage != "publish")
        except QueueUnavailableError:
            return  # the first outcome in the log wins in the end, so work goes on
        if verdict is Verdict.LOST and not self._lease_lost:
            self._lose()
            if self._device is not None:
                self._device.abort(self.lease.token)

    def park(self) -> None:
        """Stops the task at the next step; `run` then gives the lease back with its state, for another worker."""
        if self._device is not None:
            self._device.park(self.lease.token)

    async def release(self) -> None:
        """Gives the lease back, unless the device has done its part: then only the outcome is still missing."""
        if not self._device_done:
            self._lose()
            await self._give_back()

    def _lose(self) -> None:
        """Also ends a fetch or the wait for a place at once."""
        if self._waiting is not None and not self._lease_lost:  # a timeout that has expired cannot be rescheduled
            self._waiting.reschedule(0)
        self._lease_lost = True

    async def _count_bug(self, error: Exception) -> None:
        """Counts as a death. An expired lease counts none once the device is done, so the task would run for ever."""
        log.exception("an attempt at task %s ended because of a bug; the task runs again", self.lease.task.id)
        if not self._lease_lost and not await self._may_try_again():
            await self._publish(self._outcomes.bug(error))

    async def _outcome(self) -> Outcome | None:
        """None if another attempt will bring the outcome."""
        try:
            return await self._work()
        except DeviceGoneError:
            await self._give_back()
        except TaskParkedError as parked:
            await self._give_back(await self._store_state(parked.state))
        except DeviceDiedError:
            if not self._lease_lost and not await self._may_try_again():
                return self._outcomes.failed(
                    POISON, "the device died or hung each time it ran this task; it is not tried again"
                )
        return None

    async def _work(self) -> Outcome:
        """Raises DeviceDiedError, DeviceGoneError or TaskParkedError, which do not decide the task's outcome."""
        try:
            finished = await self._run_on_device()
            self._device_done = True
            self._leave_device()
            result = await self._audited(finished.result)
            images = await self._store(result)
            return self._outcomes.succeeded(images, result.answer, result.warnings)
        except LeaseLostError:
            return self._outcomes.failed("aborted", "the task was stopped before it was done")
        except (BadInputError, OversizedImageError) as error:
            return self._outcomes.failed("bad_input", str(error))
        except UnsafeTextError as error:
            return self._outcomes.failed("unsafe_answer", f"the result is withheld: {error}")
        except AuditUnavailableError as error:
            return self._outcomes.failed("audit_failed", f"the result is withheld: {error}")
        except TaskFailedError as error:
            return self._outcomes.failed(error.code, str(error))
        except (DeviceDiedError, DeviceGoneError, TaskParkedError):
            raise
        except Exception as error:
            log.exception("task %s failed because of a bug", self.lease.task.id)
            return self._outcomes.bug(error)
        finally:
            self._leave_device()

    async def _run_on_device(self) -> Finished:
        run = await self._prepare()
        self._device = self._context.places.current()
        running = self._device.run(run, self._advance)
        del run  # its images may take 400 MB; the device has them from now on
        finished = await running
        self._times.add_device(finished)
        return finished

    async def _prepare(self) -> Run:
        """Fetches and decodes what the task needs, and waits for its place."""
        task = self.lease.task
        files, state = await self._wait_for_place()
        began = time.monotonic()
        images = await self._context.inputs.decode(files)
        self._times.add("fetch", began)
        if self._lease_lost:
            raise LeaseLostError(f"task {task.id} is not needed any more")
        plain = self.lease.deaths >= DEATHS_UNTIL_PLAIN
        return Run(self.lease.token, task.type, task.params, images, state, task.priority, task.audit.images, plain)

    @cached_property
    def _params(self) -> Params:
        """Validated here, where parameters of another version fail the task and not the worker."""
        params: Params = pipelines.find(self.lease.task.type).Params.model_validate(self.lease.task.params)
        return params

    async def _wait_for_place(self) -> tuple[dict[str, bytes], bytes]:
        """Fetches what the task needs, and gets it a place at the device: its image files by their path in the
        parameters, and the state that an earlier attempt left. Raises BadInputError, LeaseLostError, DeviceGoneError.
        """
        try:
            async with asyncio.timeout(None) as self._waiting:
                began, inputs, task = time.monotonic(), self._context.inputs, self.lease.task
                files = await self._while_bucket_is_away(lambda: inputs.fetch(task, self._params))
                state = await self._parked_state()
                self._times.add("fetch", began)
                if self.stage == "fetch":
                    await self._context.places.take(task.tenant, self._alone)
                    self.stage = "device"
                return files, state
        except TimeoutError:
            raise LeaseLostError("the wait was ended") from None
        finally:
            self._waiting = None

    async def _parked_state(self) -> bytes:
        """Empty if there is none, or it has expired."""
        if not self.lease.parked:
            return b""
        return await self._while_bucket_is_away(partial(self._bucket.get, self.lease.parked)) or b""

    async def _store_state(self, state: bytes) -> str:
        """Returns its key; empty if the bucket is away."""
        key = image_key("24h", self._clock() + RETENTION_S["24h"], self.lease.task.id, self.lease.token, "parked")
        try:
            await self._bucket.put(key, state)
        except BucketUnavailableError as error:
            log.warning("task %s starts again elsewhere: %s", self.lease.task.id, error)
            return ""
        return key

    async def _audited(self, result: TaskResult) -> TaskResult:
        began = time.monotonic()
        audited = await self._audit.check(result, self._params)
        if audited is not result or self._audit.sees_images(self._params):
            self._times.add("moderation", began)
        return audited

    async def _store(self, result: TaskResult) -> tuple[Image, ...]:
        async def put(key: str, data: bytes) -> None:
            await self._while_bucket_is_away(partial(self._context.publisher.spool.put, key, data))

        return await ImageWriter(self.lease, put, self._clock, self._times).write(
            result, result.seeds or self._params.seeds
        )

    async def _while_bucket_is_away(self, call: Callable[[], Awaitable[T]]) -> T:
        subject = f"task {self.lease.task.id}"
        return await retry_while_leased(call, self._is_lease_lost, (BucketUnavailableError,), subject)

    def _is_lease_lost(self) -> bool:
        return self._lease_lost

    async def _publish(self, outcome: Outcome) -> None:
        publish = self._context.publisher.publish
        try:
            await publish(outcome, self.lease, self._is_lease_lost)
        except RecordTooLargeError as error:
            failed = self._outcomes.failed("too_large", f"the result is too large for the log: {error}")
            await publish(failed, self.lease, self._is_lease_lost)

    def _observe_wait(self) -> None:
        """Once a task: not again after an attempt that died or was parked."""
        if self.lease.deaths or self.lease.parked:
            return
        task, started_at = self.lease.task, self._outcomes.started_at
        STAGE_SECONDS.labels("wait").observe(max(started_at - task.created_at, 0.0))
        record_span("wait", task.created_at, started_at, task.traceparent)

    def _observe(self, outcome: Outcome) -> None:
        if outcome.status is Status.SUCCEEDED:
            self._context.metrics.add_cost(outcome.task.cost)
            for stage, seconds in self._times.by_part.items():
                STAGE_SECONDS.labels(stage).observe(seconds)

    def _advance(self, step: Advanced) -> None:
        preview = self._progress.preview if self._progress else b""
        if step.preview is not None and not self._audit.sees_images(self._params):
            preview = preview_jpeg(step.preview)
        self._progress = Progress(step.step, step.steps, preview)
        self._heartbeat_soon()

    def _leave_device(self) -> None:
        had_place, self.stage = self.stage == "device", "publish"
        if had_place:
            self._context.places.leave(self.lease.task.tenant, self._alone)
        self._heartbeat_soon()

    def _heartbeat_soon(self) -> None:
        now = time.monotonic()
        if now - self._last_heartbeat_at >= HEARTBEAT_PAUSE_S:
            self._last_heartbeat_at = now
            self._context.spawn(self.heartbeat())

    async def _give_back(self, parked: str = "") -> None:
        try:
            await self._queue.give_back(self.lease, parked)
        except QueueUnavailableError as error:
            log.warning("task %s waits until its lease expires: %s", self.lease.task.id, error)

    async def _may_try_again(self) -> bool:
        """A death that cannot be reported to the queue now is counted when the lease expires."""
        try:
            return await self._queue.died(self.lease)
        except QueueUnavailableError as error:
            log.warning("task %s waits until its lease expires: %s", self.lease.task.id, error)
            return True
