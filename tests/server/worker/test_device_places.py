"""Who gets the next place at the device."""

import asyncio
from types import SimpleNamespace

import pytest

from server.worker.device_places import DevicePlaces
from server.worker.device_process import DeviceGoneError
from server.worker.messages import DeviceStatus


class Device:
    """A device that is ready, with `capacity` places."""

    def __init__(self, capacity: int = 2) -> None:
        self.status = DeviceStatus("fake", (), capacity, 0)


@pytest.fixture
def worker() -> SimpleNamespace:
    """The worker's current device."""
    return SimpleNamespace(device=Device(), closed=False)


@pytest.fixture
def places(worker) -> DevicePlaces:
    return DevicePlaces(lambda: worker.device, lambda: worker.closed)


async def take(places, *tenants, alone=False) -> list[asyncio.Task[None]]:
    """Attempts that stand in line, in this order."""
    waiting = [asyncio.create_task(places.take(tenant, alone)) for tenant in tenants]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return waiting


def placed(waiting) -> list[bool]:
    return [each.done() for each in waiting]


async def settled() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_places_are_limited_by_the_capacity(places) -> None:
    waiting = await take(places, "a", "a", "a")
    assert placed(waiting) == [True, True, False]
    places.leave("a")
    await settled()
    assert placed(waiting) == [True, True, True]
    assert places.free == 0


async def test_tenant_with_the_fewest_places_goes_first(places) -> None:
    waiting = await take(places, "a", "a", "a", "a", "b")
    places.leave("a")
    await settled()
    assert placed(waiting) == [True, True, False, False, True]


async def test_worker_looks_for_a_task_although_fetched_ones_wait(places) -> None:
    """Many fetched tasks hold up no task that needs no fetch; the capacity is exceeded by one at most."""
    await take(places, "a", "a", "a", "a")
    looking = asyncio.create_task(places.vacancy())
    await settled()
    assert not looking.done()
    places.leave("a")
    await settled()
    assert looking.done()
    places.occupy("b")
    assert places.free == -1
    looking = asyncio.create_task(places.vacancy())
    places.leave("a")
    await settled()
    assert not looking.done()
    looking.cancel()


async def test_task_that_runs_alone_waits_for_the_others_and_shares_with_none(places) -> None:
    first = await take(places, "a")
    alone = await take(places, "b", alone=True)
    later = await take(places, "c")
    looking = asyncio.create_task(places.vacancy())
    assert placed([*first, *alone, *later]) == [True, False, False]
    places.leave("a")
    await settled()
    assert placed([*alone, *later]) == [True, False]
    assert places.free == 0
    places.leave("b", alone=True)
    await settled()
    assert placed(later) == [True]
    await settled()
    assert looking.done()


async def test_tasks_do_not_wait_for_a_place_without_a_device(places, worker) -> None:
    """Another worker may run the tasks sooner than the next device process is ready."""
    _, _, waiting = await take(places, "a", "a", "a")
    worker.device = None
    places.refresh()
    for each in (waiting, *await take(places, "b")):
        with pytest.raises(DeviceGoneError):
            await each
    with pytest.raises(DeviceGoneError):
        places.current()


@pytest.mark.parametrize("granted", [False, True])
async def test_canceled_attempt_gives_its_place_to_the_next(places, granted) -> None:
    """Also if it was canceled in the moment in which it got the place."""
    _, _, canceled, following = await take(places, "a", "a", "b", "c")
    if granted:
        places.leave("a")
        canceled.cancel()
    else:
        canceled.cancel()
        places.leave("a")
    await settled()
    assert canceled.cancelled()
    assert placed([following]) == [True]


async def test_nothing_starts_while_too_much_is_unpublished(places, worker) -> None:
    worker.closed = True
    waiting = await take(places, "a")
    assert placed(waiting) == [False]
    worker.closed = False
    places.refresh()
    await settled()
    assert placed(waiting) == [True]
