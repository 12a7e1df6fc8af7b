import asyncio
import logging

import pytest

from server.broker import BrokerUnavailableError
from server.controller import retry
from server.controller.retry import repeat_every, retry_forever


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(retry, "LONGEST_PAUSE_S", 0.004)


async def test_retry_forever_repeats_and_logs_an_error_once(caplog) -> None:
    troubles = [BrokerUnavailableError("the log is locked")] * 5 + [ValueError("a bug")] * 2
    done = []

    async def work() -> None:
        done.append(len(done))
        if len(done) <= len(troubles):
            raise troubles[len(done) - 1]

    with caplog.at_level(logging.ERROR):
        await retry_forever(work, "settling")
    assert len(done) == 8
    messages = [record.getMessage() for record in caplog.records]
    assert [message.split(";")[0] for message in messages] == ["settling: the log is locked", "settling: a bug"]
    assert [bool(record.exc_info) for record in caplog.records] == [False, True], "only a bug has a traceback"


async def test_retry_forever_logs_a_later_error_again(caplog) -> None:
    runs = []

    async def work() -> None:
        runs.append(0)
        if len(runs) == 3:
            return
        await asyncio.sleep(0.01)
        raise BrokerUnavailableError("gone")

    with caplog.at_level(logging.ERROR):
        await retry_forever(work, "intake")
    assert len(caplog.records) == 2


async def test_retry_forever_ends_when_canceled(caplog) -> None:
    async def fail() -> None:
        raise BrokerUnavailableError("gone")

    for work in (fail, asyncio.Event().wait):
        keeping = asyncio.create_task(retry_forever(work, "work"))
        await asyncio.sleep(0.01)
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping


async def test_repeat_every_repeats_and_raises_errors() -> None:
    done = []

    async def work() -> None:
        done.append(0)
        if len(done) == 3:
            raise BrokerUnavailableError("gone")

    with pytest.raises(BrokerUnavailableError):
        await repeat_every(0.001, work)
    assert len(done) == 3
