"""A worker owns one device: it leases tasks, attempts them, renews its leases and reports outcomes."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Coroutine, Set

from opentelemetry.trace import SpanKind
from pydantic import ValidationError

from server.observability.logs import about
from server.observability.metrics import DEVICE_DEATHS, STAGE_SECONDS, WORKER_READY, WORKER_TASKS
from server.observability.tracing import record_span, span
from server.process.health_server import Health
from server.queue import HEARTBEAT_S, Lease, QueueUnavailableError, Verdict, WorkerView
from server.services import Services
from server.task import POISON, Outcome, Status
from server.tasks.input_images import InputImages
from server.worker.attempt import Attempt
from server.worker.device_metrics import DeviceMetrics
from server.worker.device_process import CHILD, Device, DeviceDiedError, DeviceGoneError, TaskParkedError
from server.worker.outcome_publisher import OutcomePublisher

log = logging.getLogger(__name__)
LEASE_WAIT_S = 5.0
PROGRESS_EVERY_S = 0.1
STALE_S = 120.0
"""A device says every few seconds that it lives, but not in the middle of a step."""
PARK_S = 10.0
"""For the tasks that are parked to reach the bucket; a step takes less than a second of it."""
RESTART_S = (0.1, 1.0, 5.0, 15.0)
IN_HAND = 16
"""Results that may wait for the bucket or the log, some of them 12 MB of pixels an image; then no more are made."""


class Worker:
    """`run` works until it is canceled; `drain` ends it kindly. `child` is the module that owns the device."""

    def __init__(self, services: Services, device: str, child: str = CHILD) -> None:
        self.name = f"{socket.gethostname()}:{device}:{os.getpid()}"
        self._services = services
        self._device_name = device
        self._child = child
        self._device: Device | None = None
        self._inputs = InputImages.of(services)
        self._reports = OutcomePublisher(services)
        self._attempts: dict[str, Attempt] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._moved = asyncio.Event()
        self._draining = False
        self._metrics = DeviceMetrics()

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for work in (
                    self._keep_device,
                    self._keep_leasing,
                    self._keep_beating,
                    self._reports.spool.hand_over_left,
                ):
                    group.create_task(work())
        finally:
            self._reports.spool.close()

    def health(self) -> Health:
        """Not alive once a device that was ready has been silent for STALE_S: its process hangs."""
        device = self._device
        if device is None or device.status is None:
            return Health(False, "the device is not ready")
        silent_s = time.monotonic() - device.heard_at
        if silent_s > STALE_S:
            return Health(False, f"the device has not been heard of for {silent_s:.0f} s", alive=False)
        return Health(not self._draining, "draining" if self._draining else "ready")

    async def drain(self) -> None:
        """Leases nothing more, lets running tasks end for HUA_DRAIN_S, then gives them back for another worker, which
        goes on from the very step at which they stood. Results that wait for bucket or log stay: whoever comes next
        hands over what lies on the disk, and what does not is made again when the lease expires."""
        self._draining = True
        await self._wait_for_tasks(self._services.settings.drain_s)
        if self._device is not None:
            for token in self._attempts:
                self._device.park(token)
            await self._wait_for_tasks(PARK_S)
        for attempt in [attempt for attempt in self._attempts.values() if not attempt.made]:
            attempt.lose()
            await self._give_back(attempt.lease)
        if self._device is not None:
            await self._device.stop()

    async def _wait_for_tasks(self, timeout_s: float) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=timeout_s)

    # --- the device

    async def _keep_device(self) -> None:
        """Starts the device's process again whenever it dies, ever more slowly while it does not even get ready."""
        deaths = 0
        while not self._draining:
            device = Device(self._services.settings, self._device_name, self._child, self._metrics.update)
            self._metrics.restart()
            try:
                vitals = await device.ready()
                self._device, deaths = device, 0
                log.info("ready on %s", vitals.device)
                self._moved.set()
                await self._announce()
            except DeviceDiedError:
                deaths += 1
            except asyncio.CancelledError:
                await device.stop()
                raise
            try:
                code = await device.death()
            finally:
                self._device = None
                await device.stop()
            if not self._draining:
                DEVICE_DEATHS.inc()
                pause_s = RESTART_S[min(deaths, len(RESTART_S) - 1)]
                log.error("the device process ended with %s; starting another in %g s", code, pause_s)
                await asyncio.sleep(pause_s)

    def _room(self) -> int:
        if self._device is None or self._device.status is None or not self._device.alive:
            return 0
        on_device = sum(attempt.on_device for attempt in self._attempts.values())
        if len(self._attempts) - on_device >= IN_HAND:
            return 0
        return self._device.status.capacity - on_device

    # --- leases

    async def _keep_leasing(self) -> None:
        while not self._draining:
            self._moved.clear()
            if self._room() <= 0:
                await self._moved.wait()
                continue
            lease = await self._lease()
            if lease is None:
                continue
            if self._draining:
                await self._give_back(lease)
            elif lease.deaths:
                await self._work_alone(lease)
            else:
                self._spawn(self._work(self._begin(lease)))

    async def _lease(self) -> Lease | None:
        resident = self._device.status.resident if self._device and self._device.status else ()
        try:
            return await self._services.queue.lease(self.name, resident, LEASE_WAIT_S)
        except QueueUnavailableError as error:
            log.warning("no tasks for now: %s", error)
        except ValidationError as error:  # handed in by a later version; it would end one worker after another
            log.error("a task cannot be read by this version, and is left alone: %s", error.errors()[0]["loc"])
        await asyncio.sleep(1)
        return None

    async def _work_alone(self, lease: Lease) -> None:
        """A task that devices have died under shares its next one with nobody, so that it takes nobody with it."""
        await asyncio.wait([self._spawn(self._work_after(set(self._tasks), self._begin(lease)))])

    async def _work_after(self, others: Set[asyncio.Task[None]], attempt: Attempt) -> None:
        if others:
            await asyncio.wait(others)
        await self._work(attempt)

    async def _give_back(self, lease: Lease, parked: str = "") -> None:
        try:
            await self._services.queue.give_back(lease, parked)
        except QueueUnavailableError as error:
            log.warning("task %s waits until its lease expires: %s", lease.task.id, error)

    async def _may_try_again(self, lease: Lease) -> bool:
        """A death that the queue does not hear of is counted when the lease expires."""
        try:
            return await self._services.queue.died(lease)
        except QueueUnavailableError as error:
            log.warning("task %s waits until its lease expires: %s", lease.task.id, error)
            return True

    def _begin(self, lease: Lease) -> Attempt:
        if not (lease.deaths or lease.parked):
            now, accepted_at = self._services.clock(), lease.task.created_at
            STAGE_SECONDS.labels("wait").observe(max(now - accepted_at, 0.0))
            record_span("wait", accepted_at, now, lease.task.traceparent)
        attempt = Attempt(
            lease, self._inputs, self._services.bucket, self._pass_on, self._services.clock, self._reports.spool.put
        )
        self._attempts[lease.token] = attempt
        return attempt

    async def _work(self, attempt: Attempt) -> None:
        task, token = attempt.lease.task, attempt.lease.token
        facts = {"task": task.id, "tenant": task.tenant, "attempt": token, "worker": self.name}
        with about(**facts), span("attempt", task.traceparent, SpanKind.CONSUMER, type=task.type, **facts):
            log.info("→ %s %s", task.id, task.type)
            try:
                outcome = await self._outcome(attempt)
                if outcome is not None:
                    self._observe(attempt, outcome)
                    await self._reports.report(attempt, outcome)
            finally:
                del self._attempts[token]
                self._moved.set()

    def _observe(self, attempt: Attempt, outcome: Outcome) -> None:
        if outcome.status is Status.SUCCEEDED:
            self._metrics.add_cost(outcome.task.cost)
            for stage, seconds in attempt.stages.items():
                STAGE_SECONDS.labels(stage).observe(seconds)

    async def _outcome(self, attempt: Attempt) -> Outcome | None:
        """What is to be reported; None where another attempt will do that."""
        try:
            return await attempt.run(self._device)
        except DeviceGoneError:
            await self._give_back(attempt.lease)
            return None
        except TaskParkedError as parked:
            await self._give_back(attempt.lease, await attempt.park(parked.state))
            return None
        except DeviceDiedError:
            if attempt.lost or await self._may_try_again(attempt.lease):
                return None
            return attempt.failed(POISON, "the device died each time it ran this task; it is not tried again")

    # --- heartbeats

    def _pass_on(self, attempt: Attempt) -> None:
        """Tells progress a few times a second, and so learns early of a cancel."""
        if not attempt.on_device:
            self._moved.set()
        now = time.monotonic()
        if now - attempt.told_at >= PROGRESS_EVERY_S:
            attempt.told_at = now
            self._spawn(self._beat(attempt))

    async def _keep_beating(self) -> None:
        """All leases at once: one after another, a queue that is slow would let the last ones expire."""
        while True:
            await self._announce()
            await asyncio.gather(*map(self._beat, self._attempts.values()))
            await asyncio.sleep(HEARTBEAT_S)

    async def _beat(self, attempt: Attempt) -> None:
        try:
            verdict = await self._services.queue.heartbeat(attempt.lease, attempt.progress, attempt.on_device)
        except QueueUnavailableError:
            return  # the log of outcomes judges in the end, so work goes on
        if verdict is Verdict.LOST and not attempt.lost:
            attempt.lose()
            if self._device is not None:
                self._device.abort(attempt.lease.token)

    async def _announce(self) -> None:
        vitals = self._device.status if self._device else None
        view = WorkerView(
            name=self.name,
            device=vitals.device if vitals else self._device_name,
            resident=vitals.resident if vitals else (),
            running=len(self._attempts),
            room=max(self._room(), 0),
            state="draining" if self._draining else "ready" if vitals else "starting",
            memory_bytes=vitals.memory_bytes if vitals else 0,
            pace_s=self._metrics.pace_s,
        )
        WORKER_READY.set(view.state == "ready")
        WORKER_TASKS.set(view.running)
        try:
            await self._services.queue.announce(view)
        except QueueUnavailableError as error:
            log.warning("the queue does not hear this worker: %s", error)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an attempt broke off; its task is run again once the lease has expired", exc_info=error)
