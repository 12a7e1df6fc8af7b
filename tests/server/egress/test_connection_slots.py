from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from server.egress.connection_slots import ConnectionSlots, EgressBusyError, Limit, Limits, LimitsOfHosts, site_of
from server.egress.responses import EgressFailedError, EgressTimeoutError
from server.egress.target_url import TargetUrl

LIMITS = LimitsOfHosts(
    new=Limits(host=Limit(2, 3), site=Limit(4, 9), tenant=Limit(6, 9)),
    usual=Limits(host=Limit(3, 3), site=Limit(4, 9), tenant=Limit(6, 9)),
    slow=Limits(host=Limit(1, 1), site=Limit(1, 1), tenant=Limit(1, 1)),
)


class Visitors:
    """Requests that hold their slots until `leave`."""

    def __init__(self, slots):
        self.slots = slots
        self.inside = []
        self.leave = asyncio.Event()
        self.tasks = []

    async def visit(self, host, tenant):
        async with self.slots.hold(tenant, TargetUrl.parse(f"http://{host}/")):
            self.inside.append(host)
            await self.leave.wait()

    async def come(self, *hosts, tenant="one"):
        """The errors of the visits that have ended already; None for one without an error."""
        self.tasks += (came := [asyncio.create_task(self.visit(host, tenant)) for host in hosts])
        for _ in range(20):
            await asyncio.sleep(0)
        return [task.exception() for task in came if task.done()]

    async def end(self):
        self.leave.set()
        return await asyncio.gather(*self.tasks, return_exceptions=True)


@pytest.fixture
async def visitors():
    visitors = Visitors(ConnectionSlots(LIMITS, wait_s=60, most_open=8))
    yield visitors
    await visitors.end()
    assert len(visitors.slots) == 0


async def test_host_has_few_connections_and_delays_no_other_host(visitors):
    assert await visitors.come("slow.a.example", "slow.a.example", "slow.a.example", "b.example") == []
    assert sorted(visitors.inside) == ["b.example", "slow.a.example", "slow.a.example"]
    assert await visitors.end() == [None] * 4
    assert visitors.inside.count("slow.a.example") == 3


async def test_names_of_one_site_share_a_limit(visitors):
    await visitors.come(*(f"{number}.evil.example" for number in range(8)))
    assert len(visitors.inside) == 4


async def test_addresses_of_one_network_share_a_limit(visitors):
    await visitors.come(*(f"127.0.1.{number}" for number in range(1, 9)))
    assert len(visitors.inside) == 4


async def test_tenant_cannot_take_all_connections(visitors):
    await visitors.come(*(f"evil-{number}.example" for number in range(9)))
    assert len(visitors.inside) == 6
    assert await visitors.come("evil-10.example") != []
    await visitors.come("good.example", tenant="two")
    assert "good.example" in visitors.inside


async def test_connections_of_all_tenants_are_limited(visitors):
    for tenant in ("one", "two"):
        await visitors.come(*(f"{tenant}-{number}.example" for number in range(6)), tenant=tenant)
    assert len(visitors.inside) == 8


async def test_full_line_is_refused(visitors):
    [error] = await visitors.come(*["a.example"] * 4)
    assert isinstance(error, EgressBusyError)
    assert "too many requests to a.example are under way" in str(error)


async def test_wait_is_bounded():
    visitors = Visitors(ConnectionSlots(LIMITS, wait_s=0.01))
    await visitors.come(*["a.example"] * 2)
    with pytest.raises(EgressBusyError):
        await visitors.visit("a.example", "one")
    await visitors.end()
    await visitors.visit("a.example", "one")


async def test_error_and_cancel_free_the_slot(visitors):
    target = TargetUrl.parse("http://a.example/")
    with pytest.raises(ZeroDivisionError):
        async with visitors.slots.hold("one", target):
            _ = 1 / 0
    await visitors.come(*["a.example"] * 3)
    for task in visitors.tasks:
        task.cancel()
    await asyncio.gather(*visitors.tasks, return_exceptions=True)
    assert len(visitors.slots) == 0


async def fail_at(slots, host, error):
    with pytest.raises(EgressFailedError):
        async with slots.hold("one", TargetUrl.parse(f"http://{host}/")):
            raise error


async def test_host_that_times_out_has_less_until_it_answers(visitors):
    await fail_at(visitors.slots, "a.example", EgressTimeoutError("slow"))
    async with visitors.slots.hold("one", TargetUrl.parse("http://a.example/")):
        assert [type(error) for error in await visitors.come("a.example")] == [EgressBusyError]
        assert await visitors.come("a.example", tenant="two") == []
        assert await visitors.come(*(f"{number}.example" for number in range(6))) == []
        assert len(visitors.inside) == 7
    assert await visitors.come("a.example", "a.example") == []


async def test_new_hosts_hold_up_no_host_that_answers(visitors):
    async with visitors.slots.hold("one", TargetUrl.parse("http://good.example/")):
        pass
    await visitors.come(*(f"{number}.example" for number in range(9)))
    assert len(visitors.inside) == 6
    await visitors.come("good.example")
    assert visitors.inside[-1] == "good.example"


async def test_host_that_answers_meanwhile_has_more_at_once(visitors):
    target, leave = TargetUrl.parse("http://a.example/"), asyncio.Event()

    async def answered():
        async with visitors.slots.hold("one", target):
            await leave.wait()

    visits = [asyncio.create_task(answered()) for _ in range(2)]
    await visitors.come("a.example")
    assert visitors.inside == []
    leave.set()
    await asyncio.gather(*visits)
    await visitors.come("a.example", "a.example")
    assert visitors.inside == ["a.example"] * 3


async def test_other_failures_do_not_count_as_slow(visitors):
    await fail_at(visitors.slots, "a.example", EgressFailedError("broke"))
    assert await visitors.come("a.example", "a.example") == []


async def test_slot_is_held_until_its_lookup_ends(visitors):
    """The thread of a DNS request runs on after the request was canceled."""
    lookup = asyncio.get_running_loop().create_future()
    async with visitors.slots.hold("one", TargetUrl.parse("http://a.example/")) as slot:
        slot.lookup = lookup
    assert len(visitors.slots) == 1
    lookup.set_exception(OSError("no answer"))
    await asyncio.sleep(0)
    assert len(visitors.slots) == 0


async def test_hosts_that_are_remembered_are_bounded(monkeypatch):
    monkeypatch.setattr("server.egress.connection_slots.MOST_KNOWN_HOSTS", 2)
    slots = ConnectionSlots(LIMITS, wait_s=0.01)
    for number in range(3):
        await fail_at(slots, f"{number}.example", EgressTimeoutError("slow"))
    async with AsyncExitStack() as held:
        for _ in range(2):
            await held.enter_async_context(slots.hold("one", TargetUrl.parse("http://0.example/")))


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("http://a.b.example.com/", "example.com"),
        ("http://example.com./", "example.com"),
        ("http://hooks.example.co.uk/", "example.co.uk"),
        ("http://bbc.co.uk/", "bbc.co.uk"),
        ("http://ibm.de/", "ibm.de"),
        ("http://localhost/", "localhost"),
        ("http://93.184.216.34/", "93.184.216.0/24"),
        ("http://[2606:4700:1:2::1]/", "2606:4700:1::/48"),
    ],
)
def test_site_is_what_has_one_owner(url, site):
    assert site_of(TargetUrl.parse(url)) == site
