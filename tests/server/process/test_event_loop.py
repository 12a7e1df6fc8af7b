"""The loop and the garbage collector of a role."""

import asyncio
import gc

import uvloop

from server.process.event_loop import YOUNG, run, spare_what_is_built


def test_a_role_runs_on_libuv() -> None:
    loops = []

    async def role() -> None:
        loops.append(asyncio.get_running_loop())

    run(role())
    assert isinstance(loops[0], uvloop.Loop)


def test_what_was_built_is_not_looked_through_again() -> None:
    before = gc.get_threshold()
    try:
        spare_what_is_built()
        assert gc.get_freeze_count() > 1000
        assert gc.get_threshold()[0] == YOUNG
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)
