"""The places at the device: how many tasks it takes at one time, and which attempt gets the next free one.

Fetched tasks wait here in one line for all tenants; the tenant with the fewest places goes first. The worker looks for
a new task whenever a place becomes free, even if a fetched task takes that place. So neither holds up the other, and
the capacity is exceeded by one at most.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from server.worker.device_process import Device, DeviceGoneError


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """A fetched task in line."""

    tenant: str
    alone: bool
    granted: asyncio.Future[None]

    @property
    def has_place(self) -> bool:
        return self.granted.done() and not self.granted.cancelled() and self.granted.exception() is None


class DevicePlaces:
    """`device` is the device that is ready now, or None; `closed` says whether new tasks must not start.

    `refresh` must be called when either of them, or the device's capacity, has changed.
    """

    def __init__(self, device: Callable[[], Device | None], closed: Callable[[], bool] = lambda: False) -> None:
        self._device = device
        self._closed = closed
        self._taken: Counter[str] = Counter()
        """Places by tenant."""
        self._occupied_alone = False
        self._line: list[Waiting] = []
        self._free_again = asyncio.Event()

    @property
    def free(self) -> int:
        """How many more tasks the device can use; not positive if there are none."""
        device = self._device()
        if device is None or device.status is None or self._closed() or self._occupied_alone:
            return 0
        return device.status.capacity - self._taken.total()

    @property
    def held_alone(self) -> bool:
        """Whether a task has the device for itself, or waits for that."""
        return self._occupied_alone or any(waiting.alone for waiting in self._line)

    async def vacancy(self) -> None:
        """Waits until a place is free for a task that is still to be leased."""
        await self._free_again.wait()

    def occupy(self, tenant: str) -> None:
        """Takes a place out of turn."""
        self._taken[tenant] += 1
        self.refresh()

    async def take(self, tenant: str, alone: bool = False) -> None:
        """Waits in line for a place. If `alone`, the device is left to this task: the others end first.

        Raises DeviceGoneError if there is no device, or it dies meanwhile.
        """
        waiting = Waiting(tenant, alone, asyncio.get_running_loop().create_future())
        self._line.append(waiting)
        try:
            self.refresh()
            await waiting.granted
        except BaseException:
            if waiting.has_place:
                self.leave(tenant, alone)
            raise

    def current(self) -> Device:
        """The device that is ready. Raises DeviceGoneError."""
        if (device := self._device()) is None:
            raise DeviceGoneError("the device process is restarting")
        return device

    def leave(self, tenant: str, alone: bool = False) -> None:
        self._taken[tenant] -= 1
        self._occupied_alone = self._occupied_alone and not alone
        self.refresh()

    def refresh(self) -> None:
        """Gives out the free places."""
        self._line = [waiting for waiting in self._line if not waiting.granted.done()]
        if self._device() is None:
            self._turn_all_away()
        if self.free > 0 and not self.held_alone:
            self._free_again.set()
        while (waiting := self._next()) is not None:
            self._line.remove(waiting)
            self._taken[waiting.tenant] += 1
            self._occupied_alone = waiting.alone
            waiting.granted.set_result(None)
        if self.free <= 0 or self._line:
            self._free_again.clear()

    def _next(self) -> Waiting | None:
        if self.free <= 0 or not self._line:
            return None
        if alone := [waiting for waiting in self._line if waiting.alone]:
            return None if self._taken.total() else alone[0]
        return min(self._line, key=lambda waiting: self._taken[waiting.tenant])

    def _turn_all_away(self) -> None:
        """Another worker may run the tasks sooner than the next device process is ready."""
        for waiting in self._line:
            waiting.granted.set_exception(DeviceGoneError("the device process is restarting"))
        self._line.clear()
