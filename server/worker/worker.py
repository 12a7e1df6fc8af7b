"""A worker owns one device: it leases tasks, runs an attempt at each, and renews its leases."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Coroutine, Set

from pydantic import ValidationError

from server.observability.metrics import DEVICE_DEATHS, WORKER_READY, WORKER_TASKS
from server.process.health_server import Health
from server.queue import HEARTBEAT_S, Lease, QueueUnavailableError, WorkerView
from server.services import Services
from server.tasks.input_images import InputImages
from server.worker.attempt import Attempt, AttemptContext
from server.worker.device_metrics import DeviceMetrics
from server.worker.device_process import CHILD, Device, DeviceDiedError
from server.worker.outcome_publisher import OutcomePublisher
from server.worker.spool import Spool

log = logging.getLogger(__name__)
LEASE_WAIT_S = 5.0
STALE_S = 120.0
"""A device sends a sign of life every few seconds, but not during a step."""
PARK_S = 10.0
"""For parked tasks to reach the bucket; a step takes less than a second of it."""
RESTART_PAUSES_S = (0.1, 1.0, 5.0, 15.0)
MAX_UNPUBLISHED = 16
"""Results that may wait for the bucket or the log, some with 12 MB of pixels per image; more tasks are not leased."""


class Worker:
    """`run` works until it is canceled; `drain` lets tasks end first. `child` is the module that owns the device."""

    def __init__(self, services: Services, device: str, child: str = CHILD) -> None:
        self.name = f"{socket.gethostname()}:{device}:{os.getpid()}"
        self._services = services
        self._device_name = device
        self._child = child
        self._device: Device | None = None
        self._spool = Spool.of(services)
        self._metrics = DeviceMetrics()
        self._attempts: dict[str, Attempt] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._room_changed = asyncio.Event()
        self._draining = False
        self._context = AttemptContext(
            services,
            InputImages.of(services),
            OutcomePublisher(self._spool, services.queue),
            self._metrics,
            self._spawn,
            self._room_changed.set,
        )

    async def run(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                for work in (
                    self._run_devices,
                    self._lease_tasks,
                    self._send_heartbeats,
                    self._spool.publish_leftovers,
                ):
                    group.create_task(work())
        finally:
            self._spool.close()

    def health(self) -> Health:
        """Not alive if a device that was ready has been silent for STALE_S: its process hangs."""
        device = self._device
        if device is None or device.status is None:
            return Health(False, "the device is not ready")
        silent_s = time.monotonic() - device.heard_at
        if silent_s > STALE_S:
            return Health(False, f"the device has sent no sign of life for {silent_s:.0f} s", alive=False)
        return Health(not self._draining, "draining" if self._draining else "ready")

    async def drain(self) -> None:
        """Leases no more tasks, lets running ones end for HUA_DRAIN_S, then parks the others: another worker continues
        each at the step where it stopped.

        Results that wait for the bucket or the log stay leased. Those in the spool are published by the next worker on
        this machine; those in memory run again when the lease expires.
        """
        self._draining = True
        await self._wait_for_background(self._services.settings.drain_s)
        if self._device is not None:
            for attempt in self._attempts.values():
                attempt.park()
            await self._wait_for_background(PARK_S)
        for attempt in list(self._attempts.values()):
            await attempt.release()
        if self._device is not None:
            await self._device.stop()

    async def _wait_for_background(self, timeout_s: float) -> None:
        if self._background:
            await asyncio.wait(set(self._background), timeout=timeout_s)

    async def _run_devices(self) -> None:
        """Restarts the device process when it dies, after growing pauses if it dies before it is ready."""
        deaths = 0
        while not self._draining:
            device = Device(self._services.settings, self._device_name, self._child, self._metrics.update)
            self._metrics.restart()
            try:
                status = await device.ready()
                self._device, deaths = device, 0
                log.info("ready on %s", status.device)
                self._room_changed.set()
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
                pause_s = RESTART_PAUSES_S[min(deaths, len(RESTART_PAUSES_S) - 1)]
                log.error("the device process ended with %s; starting another in %g s", code, pause_s)
                await asyncio.sleep(pause_s)

    def _room(self) -> int:
        """How many more tasks the device can use; not positive if there are none."""
        if self._device is None or self._device.status is None or not self._device.alive:
            return 0
        on_device = sum(attempt.on_device for attempt in self._attempts.values())
        if len(self._attempts) - on_device >= MAX_UNPUBLISHED:
            return 0
        return self._device.status.capacity - on_device

    async def _lease_tasks(self) -> None:
        while not self._draining:
            self._room_changed.clear()
            if self._room() <= 0:
                await self._room_changed.wait()
                continue
            lease = await self._lease()
            if lease is None:
                continue
            attempt = Attempt(lease, self._context)
            if self._draining:
                await attempt.release()
                continue
            self._attempts[lease.token] = attempt
            if lease.deaths:
                await self._run_alone(attempt)
            else:
                self._spawn(self._run_attempt(attempt))

    async def _lease(self) -> Lease | None:
        resident = self._device.status.resident if self._device and self._device.status else ()
        try:
            return await self._services.queue.lease(self.name, resident, LEASE_WAIT_S)
        except QueueUnavailableError as error:
            log.warning("no tasks for now: %s", error)
        except ValidationError as error:  # written by a later version; raised, it would end one worker after another
            log.error("this version cannot read a task, which stays as it is: %s", error.errors()[0]["loc"])
        await asyncio.sleep(1)
        return None

    async def _run_alone(self, attempt: Attempt) -> None:
        """A task under which a device has died gets the device for itself, so that no other task dies with it."""
        others = set(self._background)
        await asyncio.wait([self._spawn(self._run_after(others, attempt))])

    async def _run_after(self, others: Set[asyncio.Task[None]], attempt: Attempt) -> None:
        if others:
            await asyncio.wait(others)
        await self._run_attempt(attempt)

    async def _run_attempt(self, attempt: Attempt) -> None:
        try:
            await attempt.run(self._device)
        finally:
            del self._attempts[attempt.lease.token]
            self._room_changed.set()

    async def _send_heartbeats(self) -> None:
        """All at once: one after another, a slow queue would let the last leases expire."""
        while True:
            await self._announce()
            await asyncio.gather(*(attempt.heartbeat() for attempt in self._attempts.values()))
            await asyncio.sleep(HEARTBEAT_S)

    async def _announce(self) -> None:
        status = self._device.status if self._device else None
        view = WorkerView(
            name=self.name,
            device=status.device if status else self._device_name,
            resident=status.resident if status else (),
            running=len(self._attempts),
            room=max(self._room(), 0),
            state="draining" if self._draining else "ready" if status else "starting",
            memory_bytes=status.memory_bytes if status else 0,
            pace_s=self._metrics.pace_s,
        )
        WORKER_READY.set(view.state == "ready")
        WORKER_TASKS.set(view.running)
        try:
            await self._services.queue.announce(view)
        except QueueUnavailableError as error:
            log.warning("this worker cannot be announced to the queue: %s", error)

    def _spawn(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._on_end)
        return task

    def _on_end(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("an attempt ended by a bug; its task runs again when the lease expires", exc_info=error)
