import asyncio
import gc
import os
import signal

import pytest
import uvloop

from server.process.event_loop import GC_THRESHOLD, freeze_startup_objects, run


def test_run_uses_libuv() -> None:
    loops = []

    async def role() -> None:
        loops.append(asyncio.get_running_loop())

    run(role())
    assert isinstance(loops[0], uvloop.Loop)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_signal_ends_a_role_that_does_not_handle_it_yet(number: signal.Signals) -> None:
    ended = []

    async def role() -> None:
        os.kill(os.getpid(), number)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    run(role())
    assert ended


def test_startup_objects_are_frozen() -> None:
    before = gc.get_threshold()
    try:
        freeze_startup_objects()
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold()[0] == GC_THRESHOLD
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
