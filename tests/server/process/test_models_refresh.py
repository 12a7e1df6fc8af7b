import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from models.catalog.live_catalog import LiveCatalog
from server.process.models_refresh import keep_models_current
from tests.support import model_files as files
from tests.support.model_files import write_model

Keep = Callable[[float], Awaitable[LiveCatalog]]


@pytest.fixture
async def keep(tmp_path: Path) -> AsyncIterator[Keep]:
    """Keeps the catalog of a folder with one LoRA current, and then adds another."""
    tasks: list[asyncio.Task[None]] = []

    async def start(every_s: float) -> LiveCatalog:
        write_model(tmp_path / "ink.safetensors", files.LORA_SD1)
        live = LiveCatalog.of([tmp_path])
        tasks.append(asyncio.create_task(keep_models_current(live, every_s)))
        await asyncio.sleep(0)  # it takes over the signal
        write_model(tmp_path / "oil.safetensors", files.LORA_SD1)
        return live

    yield start
    for task in tasks:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def seen(live: LiveCatalog) -> None:
    while len(live.current.entries) < 2:
        await asyncio.sleep(0.005)


async def test_new_file_is_seen_within_the_time(keep: Keep) -> None:
    await seen(await keep(0.01))


async def test_signal_makes_it_look_at_once(keep: Keep) -> None:
    live = await keep(0)
    os.kill(os.getpid(), signal.SIGHUP)
    await seen(live)


async def test_closed_terminal_ends_the_role(keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    """It sends the same signal, and before there was a refresh it ended the process."""
    terminal, process = os.openpty()
    with os.fdopen(process) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        live, ended = await keep(0), asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        os.kill(os.getpid(), signal.SIGHUP)
        await seen(live)
        assert not ended.is_set()
        os.close(terminal)
        os.kill(os.getpid(), signal.SIGHUP)
        await ended.wait()
        loop.remove_signal_handler(signal.SIGTERM)
