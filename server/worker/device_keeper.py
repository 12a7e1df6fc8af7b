"""Keeps a device process running: starts another one when it has died, and ends one that hangs."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from server.observability.metrics import DEVICE_DEATHS
from server.worker.device_process import Device, DeviceDiedError
from server.worker.step_deaths.step_deaths import StepDeaths

log = logging.getLogger(__name__)
RESTART_PAUSES_S = (0.1, 1.0, 5.0, 15.0)
IDLE_SILENCE_S = 60.0
"""A device that runs no task sends something every second."""
TICK_S = 1.0
STUCK_S = 60.0
"""A process that has not ended so long after it was killed waits for its driver; only the machine can help."""


class DeviceKeeper:
    """Restarts the device process when it dies, after growing pauses if it dies before it is ready.

    start: starts a device process.
    step_timeout_s: how long a device may be silent while it works.
    load_timeout_s: how long a device may be silent before its first message: importing torch can take minutes.
    on_change: called when a device has become ready, and when one has died.
    deaths: counts in which steps it died.
    """

    def __init__(
        self,
        start: Callable[[], Device],
        step_timeout_s: float,
        load_timeout_s: float,
        on_change: Callable[[], Awaitable[None]],
        deaths: StepDeaths,
    ) -> None:
        self._start = start
        self._step_timeout_s = step_timeout_s
        self._load_timeout_s = load_timeout_s
        self._on_change = on_change
        self._deaths = deaths
        self._process: Device | None = None
        self._problem = ""
        self._killed_at: float | None = None
        self._retired = False

    @property
    def device(self) -> Device | None:
        """The device, if it is ready."""
        process = self._process
        return process if process is not None and process.alive and process.status is not None else None

    @property
    def problem(self) -> str:
        """Why there is no device, for people; empty if there is one."""
        if self.device is not None:
            return ""
        if self.stuck:
            return "a killed device process has not ended; restart the machine"
        activity = self._process.activity if self._process is not None and self._process.alive else ""
        parts = [self._problem, f"the device process {activity or 'starts'}"]
        return "; ".join(part for part in parts if part)

    @property
    def stuck(self) -> bool:
        """Whether a killed process does not end."""
        return self._killed_at is not None and time.monotonic() - self._killed_at > STUCK_S

    async def run(self) -> None:
        """Runs until it is canceled, or retired and its process has ended."""
        failed_starts = 0
        while not self._retired:
            was_ready, code = await self._run_process()
            if self._retired:
                return
            failed_starts = 0 if was_ready else failed_starts + 1
            pause_s = RESTART_PAUSES_S[min(failed_starts, len(RESTART_PAUSES_S) - 1)]
            DEVICE_DEATHS.inc()
            self._deaths.count()
            self._problem = self._problem or f"the last device process ended with {code}; see the worker's log"
            log.error("the device process ended with %s; starting another in %g s", code, pause_s)
            await self._on_change()
            await asyncio.sleep(pause_s)

    def retire(self) -> None:
        """Starts no other process when this one ends."""
        self._retired = True

    async def stop(self) -> None:
        """Ends the process; no other one is started."""
        self.retire()
        if self._process is not None:
            await self._process.stop()

    async def _run_process(self) -> tuple[bool, int | None]:
        """Starts a process and waits for its end; whether it was ready, and its exit code."""
        device = self._process = self._start()
        watch = asyncio.create_task(self._kill_when_silent(device))
        try:
            try:
                log.info("ready on %s", (await device.ready()).device)
                self._problem = ""
                await self._on_change()
            except DeviceDiedError:
                pass
            code = await device.death()
        finally:
            watch.cancel()
            await device.stop()
            self._killed_at = None
        return device.status is not None, code

    async def _kill_when_silent(self, device: Device) -> None:
        """Counts its own ticks, not the clock: this process may have been stopped together with the device."""
        silent_s, heard = 0.0, 0
        while device.alive:
            limit_s, setting = self._limit(device)
            tick_s = min(TICK_S, limit_s / 4)
            await asyncio.sleep(tick_s)
            silent_s, heard = (silent_s + tick_s if device.messages == heard else 0.0), device.messages
            if device.alive and silent_s >= limit_s:
                self._problem = f"the last device process was ended, for it reported nothing for {limit_s:g} s"
                log.error("%s; if it did not hang, raise %s", self._problem, setting)
                self._killed_at = time.monotonic()
                device.kill()

    def _limit(self, device: Device) -> tuple[float, str]:
        """How long it may be silent, in seconds, and the setting that says so."""
        if not device.messages:
            return self._load_timeout_s, "HUA_LOAD_TIMEOUT"
        if device.busy or device.status is None:
            return self._step_timeout_s, "HUA_STEP_TIMEOUT"
        return min(self._step_timeout_s, IDLE_SILENCE_S), "HUA_STEP_TIMEOUT"
