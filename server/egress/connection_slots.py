"""Slots for connections: a few per host, more per site and per tenant, so that no tenant can use them all.

Requests wait here, and not in the pool of httpx, which goes through all its requests whenever one begins or ends. The
cost of waiting does not depend on how many wait.

Hosts that have not answered yet, and hosts that did not answer in time, have slots of their own, and fewer. So they do
not hold up those that answer.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, NamedTuple

from server.egress.responses import EgressFailedError, EgressTimeoutError
from server.egress.target_url import TargetUrl

MOST_OPEN = 256
"""The connections of all tenants for one purpose."""
WAIT_S = 20.0
MOST_KNOWN_HOSTS = 10_000
NETWORK_PREFIX = {4: 24, 6: 48}
"""The size of a network that usually has one owner, by IP version."""


class EgressBusyError(EgressFailedError):
    """Too many requests to this host or of this tenant are under way. This one was not sent."""


class Limit(NamedTuple):
    """`open`: connections at the same time. `line`: requests that have a connection or wait for one."""

    open: int
    line: int


class Limits(NamedTuple):
    """The limits of each tenant: per host and port, per site, and in all."""

    host: Limit
    site: Limit
    tenant: Limit


class LimitsOfHosts(NamedTuple):
    """The limits for hosts that have not answered yet, that answer, and that did not answer in time."""

    new: Limits
    usual: Limits
    slow: Limits


IMAGES = LimitsOfHosts(
    new=Limits(Limit(16, 512), Limit(32, 512), Limit(48, 1024)),
    usual=Limits(Limit(16, 512), Limit(32, 512), Limit(48, 1024)),
    slow=Limits(Limit(4, 512), Limit(8, 512), Limit(16, 1024)),
)
"""A task fails if its image is refused, so the lines are long."""
CALLBACKS = LimitsOfHosts(
    new=Limits(Limit(1, 128), Limit(16, 256), Limit(48, 512)),
    usual=Limits(Limit(4, 128), Limit(16, 256), Limit(48, 512)),
    slow=Limits(Limit(1, 4), Limit(4, 16), Limit(16, 64)),
)
"""A refused callback is sent later, so the lines are short."""


@dataclass(slots=True)
class Line:
    """The requests that share a limit. `length` counts those that have a connection and those that wait for one."""

    free: asyncio.Semaphore
    length: int = 0


@dataclass(slots=True)
class Slot:
    """The right to one connection."""

    held: ExitStack
    lookup: asyncio.Future[Any] | None = None
    """A DNS request of this slot. Its thread cannot be stopped, so the slot is held until it ends."""

    def release(self) -> None:
        if self.lookup is None or self.lookup.done():
            self.held.close()
        else:
            self.lookup.add_done_callback(self._end)

    def _end(self, lookup: asyncio.Future[Any]) -> None:
        self.held.close()
        if not lookup.cancelled():
            lookup.exception()  # asyncio logs an exception that is never read


class ConnectionSlots:
    """The slots for one purpose. `wait_s`: seconds that a request may wait for its slot."""

    def __init__(self, limits: LimitsOfHosts, wait_s: float = WAIT_S, most_open: int = MOST_OPEN) -> None:
        self._limits = limits
        self._wait_s = wait_s
        self._all = Limit(most_open, 1 << 30)
        self._lines: dict[object, Line] = {}
        self._answers: OrderedDict[object, bool] = OrderedDict()
        """Whether a host answered in time when it was last tried."""

    def __len__(self) -> int:
        """The number of requests that have a slot or wait for one."""
        return self._lines[self._all].length if self._all in self._lines else 0

    @asynccontextmanager
    async def hold(self, tenant: str, target: TargetUrl) -> AsyncIterator[Slot]:
        """A slot for the host of `target`. Raises EgressBusyError."""
        host = (tenant, target.host, target.port)
        kind = self._kind_of(host)
        held = await self._take(kind, host, tenant, target)
        while kind != self._kind_of(host):  # it has changed during the wait
            held.close()
            kind = self._kind_of(host)
            held = await self._take(kind, host, tenant, target)
        slot = Slot(held)
        try:
            yield slot
        except EgressTimeoutError:
            self._remember(host, False)
            raise
        else:
            self._remember(host, True)
        finally:
            slot.release()

    def _kind_of(self, host: object) -> str:
        answers = self._answers.get(host)
        return "new" if answers is None else "usual" if answers else "slow"

    async def _take(self, kind: str, host: object, tenant: str, target: TargetUrl) -> ExitStack:
        """A place in each line, the narrowest first: a request that waits for its host takes no place of the others."""
        limits: Limits = getattr(self._limits, kind)
        lines = {
            (kind, host): limits.host,
            (kind, tenant, site_of(target)): limits.site,
            (kind, tenant): limits.tenant,
            self._all: self._all,
        }
        with ExitStack() as held:
            try:
                entered = [held.enter_context(self._in_line(key, limit, target)) for key, limit in lines.items()]
                async with asyncio.timeout(self._wait_s):
                    for line in entered:
                        await line.free.acquire()
                        held.callback(line.free.release)
            except TimeoutError:
                raise _busy(target) from None
            return held.pop_all()

    @contextmanager
    def _in_line(self, key: object, limit: Limit, target: TargetUrl) -> Iterator[Line]:
        line = self._lines.get(key) or Line(asyncio.Semaphore(limit.open))
        if line.length >= limit.line:
            raise _busy(target)
        self._lines[key] = line
        line.length += 1
        try:
            yield line
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[key]

    def _remember(self, host: object, answers: bool) -> None:
        self._answers[host] = answers
        self._answers.move_to_end(host)
        if len(self._answers) > MOST_KNOWN_HOSTS:
            self._answers.popitem(last=False)


def site_of(target: TargetUrl) -> str:
    """What has one owner in most cases: the last labels of a name (example.com, example.co.uk), or a network."""
    if target.address is not None:
        prefix = NETWORK_PREFIX[target.address.version]
        return str(ip_network(f"{target.address}/{prefix}", strict=False))
    labels = target.host.rstrip(".").split(".")
    is_under_country = len(labels) > 2 and len(labels[-1]) == 2 and len(labels[-2]) <= 3
    return ".".join(labels[-3:] if is_under_country else labels[-2:])


def _busy(target: TargetUrl) -> EgressBusyError:
    return EgressBusyError(f"too many requests to {target.label} are under way; try again later")
