import asyncio

import pytest

from server.controller.ordered_window import window


class OopsError(Exception):
    pass


async def test_window_limits_concurrent_jobs() -> None:
    now, most, release = 0, 0, asyncio.Event()

    async def work(turn) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await release.wait()
        now -= 1

    async def begin_all(works) -> None:
        for number in range(10):
            await works.begin(str(number), work)

    async with window(3) as works:
        beginning = asyncio.create_task(begin_all(works))
        await asyncio.sleep(0.02)
        assert now == 3
        release.set()
        await beginning
        await works.wait_until_empty()
        assert (now, most) == (0, 3)


async def test_turns_are_in_order_for_one_key() -> None:
    ready: list[int] = []
    done: list[int] = []

    async def work(number: int, turn) -> None:
        await asyncio.sleep(0.02 / (number + 1))
        ready.append(number)
        await turn()
        done.append(number)

    async with window() as works:
        for number in range(5):
            await works.begin("same", lambda turn, number=number: work(number, turn))
    assert ready != done == [0, 1, 2, 3, 4]


async def test_different_keys_do_not_wait() -> None:
    second = asyncio.Event()

    async def first(turn) -> None:
        await turn()
        await second.wait()

    async def other(turn) -> None:
        await turn()
        second.set()

    async with asyncio.timeout(60), window() as works:
        await works.begin("a", first)
        await works.begin("b", other)


async def test_failure_cancels_the_others_and_stops_its_key() -> None:
    passed: list[str] = []

    async def fail(turn) -> None:
        await turn()
        raise OopsError

    async def follow(turn) -> None:
        await turn()
        passed.append("follower")

    async def linger(turn) -> None:
        await asyncio.Event().wait()

    async def block() -> None:
        async with asyncio.timeout(60), window() as works:
            await works.begin("a", linger)
            await works.begin("b", fail)
            await works.begin("b", follow)
            await asyncio.Event().wait()

    with pytest.raises(OopsError):
        await block()
    assert passed == []


async def test_failure_is_raised_without_further_jobs() -> None:
    """The waiting caller is not canceled by the failure: else it would not retry."""

    async def fail(turn) -> None:
        await asyncio.sleep(0.01)
        raise OopsError

    async def block() -> None:
        async with window() as works:
            for key in "ab":
                await works.begin(key, fail)

    with pytest.raises(OopsError):
        await block()
    assert asyncio.current_task().cancelling() == 0


async def test_outside_cancellation_wins_over_job_errors() -> None:
    """Else a retry loop would start again instead of ending."""
    begun = asyncio.Event()

    async def object_to_it(turn) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise OopsError from None

    async def block() -> None:
        async with window() as works:
            await works.begin("a", object_to_it)
            await asyncio.Event().wait()

    running = asyncio.create_task(block())
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
