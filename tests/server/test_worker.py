"""How a worker is: whether it can work, and whether its device hangs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest

from server import worker
from server.services import Services
from server.worker import Worker


@pytest.fixture
async def one(services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Worker]:
    """One with a pretended device, which says that it lives only when it has something to say."""
    monkeypatch.setenv("CHAOS_RUNS", str(tmp_path / "runs"))
    one = Worker(services, "cpu", child="tests.chaos.device")
    running = asyncio.create_task(one.run())
    yield one
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def test_a_worker_whose_device_falls_silent_is_not_alive(one: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    first = one.health()
    assert (first.alive, first.ready) == (True, False)
    while not one.health().ready:
        await asyncio.sleep(0.02)
    monkeypatch.setattr(worker, "STALE_S", 0.1)
    while one.health().alive:
        await asyncio.sleep(0.02)
    assert "has not been heard of" in one.health().said


async def test_a_worker_that_drains_is_alive_and_not_ready(one: Worker) -> None:
    while not one.health().ready:
        await asyncio.sleep(0.02)
    one._draining = True
    assert (one.health().alive, one.health().ready) == (True, False)
