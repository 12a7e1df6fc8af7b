import asyncio

import pytest

from server.api import readiness
from server.api.readiness import PartCheck
from server.broker import BrokerUnavailableError


class Dependency:
    """Answers when a test lets it."""

    def __init__(self) -> None:
        self.calls = 0
        self.error = ""
        self.answers = asyncio.Event()
        self.answers.set()

    async def check(self) -> None:
        self.calls += 1
        await self.answers.wait()
        if self.error:
            raise BrokerUnavailableError(self.error)


async def test_part_is_not_ready_for_the_reason_of_its_check_and_ready_again() -> None:
    kafka = Dependency()
    part = PartCheck(kafka.check)
    assert (await part.state()).ready
    kafka.error = "away"
    state = await part.state()
    assert (state.ready, state.reason) == (False, "away")
    kafka.error = ""
    assert (await part.state()).ready


async def test_many_probes_cost_one_check() -> None:
    kafka = Dependency()
    part = PartCheck(kafka.check, fresh_s=60)
    await asyncio.gather(*(part.state() for _ in range(50)))
    await part.state()
    assert kafka.calls == 1


async def test_part_that_does_not_answer_is_not_ready_until_it_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PROBE_WAIT_S", 0.01)
    monkeypatch.setattr(readiness, "SLOW_S", 0.02)
    kafka = Dependency()
    part = PartCheck(kafka.check)
    kafka.answers.clear()
    assert "has not answered" in (await part.state()).reason
    kafka.answers.set()
    assert (await part.state()).ready
    assert kafka.calls == 1


async def test_last_answer_counts_while_a_check_is_not_slow_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "PROBE_WAIT_S", 0.01)
    kafka = Dependency()
    part = PartCheck(kafka.check)
    await part.state()
    kafka.answers.clear()
    assert (await part.state()).ready
    kafka.answers.set()
