from __future__ import annotations

import asyncio

import pytest

from server.controller.per_host_limit import HostBusyError, PerHostLimiter


async def stay(lines, host, leave, inside):
    async with lines.at(host):
        inside.append(host)
        await leave.wait()


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


async def test_limit_per_host_and_other_hosts_unaffected():
    lines, leave, inside = PerHostLimiter(at_once=2, most=9, wait_s=60), asyncio.Event(), []
    stays = [asyncio.create_task(stay(lines, "slow", leave, inside)) for _ in range(5)]
    stays += [asyncio.create_task(stay(lines, "other", leave, inside))]
    await settle()
    assert sorted(inside) == ["other", "slow", "slow"]
    leave.set()
    await asyncio.gather(*stays)
    assert inside.count("slow") == 5


async def test_full_host_queue_is_refused():
    lines, leave, inside = PerHostLimiter(at_once=1, most=2, wait_s=60), asyncio.Event(), []
    stays = [asyncio.create_task(stay(lines, "slow", leave, inside)) for _ in range(2)]
    await settle()
    with pytest.raises(HostBusyError):
        await stay(lines, "slow", leave, inside)
    leave.set()
    await asyncio.gather(*stays)
    await stay(lines, "slow", leave, inside)


async def test_waiting_is_bounded():
    lines, leave, inside = PerHostLimiter(at_once=1, most=9, wait_s=0.02), asyncio.Event(), []
    first = asyncio.create_task(stay(lines, "slow", leave, inside))
    await settle()
    with pytest.raises(HostBusyError):
        await stay(lines, "slow", leave, inside)
    leave.set()
    await first
    await stay(lines, "slow", leave, inside)


async def test_error_or_cancel_frees_the_slot():
    lines, leave, inside = PerHostLimiter(at_once=1, most=9, wait_s=60), asyncio.Event(), []
    with pytest.raises(ZeroDivisionError):
        async with lines.at("a"):
            _ = 1 / 0
    canceled = asyncio.create_task(stay(lines, "a", leave, inside))
    await settle()
    canceled.cancel()
    await asyncio.gather(canceled, return_exceptions=True)
    leave.set()
    await stay(lines, "a", leave, inside)
    assert not lines._hosts  # no public verb shows that memory is freed
