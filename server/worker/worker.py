"""A worker owns one device: it leases tasks, runs an attempt at each, and renews its leases."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import Counter
from collections.abc import Coroutine

from pydantic import ValidationError

from server.observability.metrics import WORKER_READY, WORKER_TASKS, Part
from server.process.health_server import Health
from server.queue import HEARTBEAT_S, Lease, QueueUnavailableError, WorkerView
from server.services import Services
from server.tasks.input_images import InputImages
from server.worker.attempt import Attempt, AttemptContext
from server.worker.device_keeper import DeviceKeeper
from server.worker.device_metrics import DeviceMetrics
from server.worker.device_places import DevicePlaces
from server.worker.device_process import CHILD, Device
from server.worker.messages import DeviceStats
from server.worker.outcome_publisher import OutcomePublisher
from server.worker.spool import Spool
from server.worker.step_deaths.step_deaths import StepDeaths

log = logging.getLogger(__name__)
CPU = "CPU"
"""How a device process without a GPU calls itself."""
LEASE_WAIT_S = 5.0
LEASE_WAIT_WHILE_FETCHING_S = 0.5
"""Shorter, because the tenants whose images are fetched change."""
PARK_S = 10.0
"""For parked tasks to reach the bucket; a step takes less than a second of it."""
MAX_UNPUBLISHED = 16
"""Results that may wait for the bucket or the log, some with 12 MB of pixels per image; more tasks are not leased."""
MAX_FETCHING, MAX_FETCHING_PER_TENANT = 32, 8
"""Tasks whose images are fetched, or wait for a place at the device. A tenant without any may always have one, so that
slow hosts of some tenants hold up no others."""


class Worker:
    """`run` works until it is canceled; `drain` lets tasks end first. `child` is the module that owns the device."""

    def __init__(self, services: Services, device: str, child: str = CHILD) -> None:
        self.name = f"{socket.gethostname()}:{device}:{os.getpid()}"
        self._services = services
        self._device_name = device
        self._spool = Spool.of(services)
        self._metrics = DeviceMetrics()
        self._ready, self._tasks = Part(WORKER_READY), Part(WORKER_TASKS)
        settings = services.settings
        deaths = StepDeaths.of_device(settings.data_dir, device)
        self._keeper = DeviceKeeper(
            lambda: Device(settings, self._device_name, child, self._on_stats, deaths.folder),
            settings.step_timeout,
            settings.load_timeout,
            self._on_device_change,
            deaths,
        )
        self._places = DevicePlaces(lambda: self._keeper.device, self._has_too_much_unpublished)
        self._attempts: dict[str, Attempt] = {}
        self._background: set[asyncio.Task[None]] = set()
        self._draining = False
        self._context = AttemptContext(
            services,
            InputImages.of(services),
            OutcomePublisher(self._spool, services.queue),
            self._metrics,
            self._places,
            self._spawn,
        )

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        stop_listening = self._services.live_catalog.listen(
            lambda _: loop.call_soon_threadsafe(self._on_catalog_change)
        )
        try:
            async with asyncio.TaskGroup() as group:
                for work in (
                    self._keeper.run,
                    self._lease_tasks,
                    self._send_heartbeats,
                    self._spool.publish_leftovers,
                ):
                    group.create_task(work())
        finally:
            stop_listening()
            self._spool.close()
            self._metrics.close()
            for part in (self._ready, self._tasks):
                part.set(0)

    def health(self) -> Health:
        """Not alive if the device process has been killed and does not end: then its driver hangs."""
        if self._draining:
            return Health(False, "draining")
        problem, device = self._keeper.problem, self._keeper.device
        broken = device.status.broken if device and device.status else {}
        reasons = [problem or "ready", *(f"model {name!r} cannot be loaded: {why}" for name, why in broken.items())]
        return Health(not problem, "; ".join(reasons), alive=not self._keeper.stuck)

    async def drain(self) -> None:
        """Leases no more tasks, lets running ones end for HUA_DRAIN_S, then parks the others: another worker continues
        each at the step where it stopped.

        Results that wait for the bucket or the log stay leased. Those in the spool are published by the next worker on
        this machine; those in memory run again when the lease expires.
        """
        self._draining = True
        self._keeper.retire()
        await self._wait_for_background(self._services.settings.drain_s)
        if self._keeper.device is not None:
            for attempt in self._attempts.values():
                attempt.park()
            await self._wait_for_background(PARK_S)
        for attempt in list(self._attempts.values()):
            await attempt.release()
        await self._keeper.stop()

    async def _wait_for_background(self, timeout_s: float) -> None:
        if self._background:
            await asyncio.wait(set(self._background), timeout=timeout_s)

    def _on_stats(self, stats: DeviceStats) -> None:
        self._metrics.update(stats)
        self._places.refresh()  # its capacity may have changed too

    async def _on_device_change(self) -> None:
        device = self._keeper.device
        if device is None or device.status is None:
            self._metrics.restart()
        else:
            if self._device_name == "auto" and device.status.device != CPU:
                self._device_name = "cuda:0"  # a card that fails later must not silently become a CPU
            self._pass_catalog_on()
        self._places.refresh()
        await self._announce()

    def _on_catalog_change(self) -> None:
        """The device is told before the queue, so that it knows the models of each task that comes."""
        self._pass_catalog_on()
        self._spawn(self._announce())

    def _pass_catalog_on(self) -> None:
        """A device that starts has read the folder itself, and gets what has changed since when it is ready."""
        if (device := self._keeper.device) is not None:
            device.use_catalog(self._services.catalog)

    def _has_too_much_unpublished(self) -> bool:
        return sum(attempt.stage == "publish" for attempt in self._attempts.values()) >= MAX_UNPUBLISHED

    async def _lease_tasks(self) -> None:
        while not self._draining:
            await self._places.vacancy()
            lease = await self._lease()
            if lease is None:
                continue
            attempt = Attempt(lease, self._context)
            if self._draining:
                await attempt.release()
                continue
            attempt.skip_fetch()
            self._attempts[lease.token] = attempt
            self._spawn(self._run_attempt(attempt))

    async def _lease(self) -> Lease | None:
        device, fetching = self._keeper.device, self._fetching_enough()
        resident = device.status.resident if device and device.status else ()
        wait_s = LEASE_WAIT_WHILE_FETCHING_S if fetching else LEASE_WAIT_S
        try:
            return await self._services.queue.lease(self.name, resident, wait_s, fetching)
        except QueueUnavailableError as error:
            log.warning("no tasks for now: %s", error)
        except ValidationError as error:  # written by a later version; raised, it would end one worker after another
            log.error("this version cannot read a task, which stays as it is: %s", error.errors()[0]["loc"])
        await asyncio.sleep(1)
        return None

    def _fetching_enough(self) -> list[str]:
        """Tenants for whom no further task may be fetched."""
        device = self._keeper.device
        capacity = device.status.capacity if device and device.status else 0
        counts = Counter(attempt.lease.task.tenant for attempt in self._attempts.values() if attempt.stage == "fetch")
        limit = min(MAX_FETCHING_PER_TENANT, capacity) if counts.total() < MAX_FETCHING else 1
        return [tenant for tenant, count in counts.items() if count >= limit]

    async def _run_attempt(self, attempt: Attempt) -> None:
        try:
            await attempt.run()
        finally:
            del self._attempts[attempt.lease.token]
            self._places.refresh()

    async def _send_heartbeats(self) -> None:
        """All at once: one after another, a slow queue would let the last leases expire."""
        while True:
            await self._announce()
            await asyncio.gather(*(attempt.heartbeat() for attempt in self._attempts.values()))
            await asyncio.sleep(HEARTBEAT_S)

    async def _announce(self) -> None:
        device = self._keeper.device
        status = device.status if device else None
        view = WorkerView(
            name=self.name,
            device=status.device if status else self._device_name,
            resident=status.resident if status else (),
            running=len(self._attempts),
            room=max(self._places.free, 0),
            state="draining" if self._draining else "ready" if status else "starting",
            memory_bytes=status.memory_bytes if status else 0,
            pace_s=self._metrics.pace_s,
            problem=self._keeper.problem,
            models=frozenset(entry.name for entry in self._services.catalog),
            broken=status.broken if status else {},
            group=self._services.settings.worker_group,
        )
        self._ready.set(view.state == "ready")
        self._tasks.set(view.running)
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
