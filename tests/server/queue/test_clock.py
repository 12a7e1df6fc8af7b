"""Roles go by the time of the queue, whatever their machine's clock says."""

import time

import pytest

from server.queue import QueueUnavailableError
from server.queue.clock import MOST_ROUND_TRIP_S, Clock
from server.queue.memory.queue import MemoryQueue

HOUR_S = 3600.0


class Machine:
    """A machine with a wall clock that can be set, and a monotonic clock."""

    def __init__(self, monkeypatch) -> None:
        self.wall, self.monotonic = 1_700_000_000.0, 50.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        monkeypatch.setattr(time, "monotonic", lambda: self.monotonic)

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.monotonic += seconds


class RemoteQueue(MemoryQueue):
    """A queue elsewhere: its clock is right, and an answer takes `way_s` there and back, each."""

    def __init__(self, machine: Machine, way_s: float = 0.0) -> None:
        super().__init__(wall=lambda: machine.monotonic + 1_700_000_000.0)
        self._machine, self.way_s = machine, way_s
        self.away = False

    async def time(self) -> float:
        if self.away:
            raise QueueUnavailableError("away")
        self._machine.pass_by(self.way_s)
        now = await super().time()
        self._machine.pass_by(self.way_s)
        return now


@pytest.fixture
def machine(monkeypatch) -> Machine:
    return Machine(monkeypatch)


async def test_setting_the_clock_changes_nothing(machine) -> None:
    """I18"""
    clock = Clock(RemoteQueue(machine, way_s=0.2))
    await clock.ask()
    for jump in (HOUR_S, -2 * HOUR_S):
        machine.wall += jump
        machine.pass_by(10)
        assert clock() == clock.sure() == pytest.approx(machine.monotonic + 1_700_000_000.0)


async def test_clock_is_local_and_unsure_before_the_first_answer(machine) -> None:
    queue = RemoteQueue(machine)
    queue.away, clock = True, Clock(queue)
    await clock.ask()
    assert clock() == machine.wall
    with pytest.raises(QueueUnavailableError, match="has not told the time yet"):
        clock.sure()


async def test_slow_answer_is_ignored(machine) -> None:
    """A process may have been stopped during the call, so the age of the answer is unknown."""
    queue = RemoteQueue(machine)
    clock = Clock(queue)
    await clock.ask()
    right = clock() - machine.monotonic
    queue.way_s = MOST_ROUND_TRIP_S
    await clock.ask()
    assert clock() - machine.monotonic == right
