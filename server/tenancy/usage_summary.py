"""Usage summed by day and type, for whoever pays, or writes bills."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel, Field, ValidationError

from server.storage.bucket import USAGE, Bucket, usage_prefix
from server.task import Status
from server.tenancy.usage import Usage

log = logging.getLogger(__name__)
AT_ONCE = 32
DAYS_REMEMBERED = 2048
LATE_DAYS = 8
"""After these no record comes to a day any more: the logs have forgotten what ended then."""


class Sum(BaseModel):
    """What a tenant's tasks of one type came to that ended on one day, in UTC."""

    day: date
    tenant: str
    type: str
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    images: int = 0
    cost: float = Field(0.0, description="Work asked for, in units of one 512×512 image at 20 steps.")
    charge: float = Field(0.0, description="The work of tasks that succeeded, but for images that the audit withholds.")
    device_s: float = Field(0.0, description="Seconds spent with a device.")

    def add(self, usage: Usage) -> None:
        self.succeeded += usage.status is Status.SUCCEEDED
        self.failed += usage.status is Status.FAILED
        self.canceled += usage.status is Status.CANCELED
        self.images += usage.images
        self.cost += usage.cost
        self.charge += usage.charge
        self.device_s += usage.device_s


@dataclass(slots=True)
class Day:
    """One tenant's day as far as its records have been read."""

    seen: set[str] = field(default_factory=set)
    sums: dict[str, Sum] = field(default_factory=dict)
    over: bool = False
    """All that there will ever be has been read, and `seen` is not needed any more."""
    reading: asyncio.Lock = field(default_factory=asyncio.Lock)


class Statements:
    """Records never change, so each is read once, as long as its day is remembered; then a statement only lists, and of
    days long past not even that. `today` is the day in UTC."""

    def __init__(
        self, bucket: Bucket, remembered: int = DAYS_REMEMBERED, today: Callable[[], date] | None = None
    ) -> None:
        self._bucket = bucket
        self._remembered = remembered
        self._today = today or _today
        self._days: OrderedDict[tuple[date, str], Day] = OrderedDict()
        self._reads = asyncio.Semaphore(AT_ONCE)

    async def of(self, tenant: str | None, first: date, last: date) -> list[Sum]:
        """By day, tenant and type, both days included; None: every tenant. Raises BucketUnavailableError."""
        found: list[Sum] = []
        for day in _days(first, last):
            tenants = [tenant] if tenant else await self._bucket.folders(f"{USAGE}/{day}")
            for one in tenants:
                found += await self._sums(day, one)
        return found

    async def _sums(self, day: date, tenant: str) -> list[Sum]:
        known = self._days.get((day, tenant))
        if known is None or not known.over:
            known = await self._read_up(day, tenant)
        else:
            self._days.move_to_end((day, tenant))
        return [known.sums[name].model_copy() for name in sorted(known.sums)]

    async def _read_up(self, day: date, tenant: str) -> Day:
        """The day with whatever has come to it since it was last read."""
        over = (self._today() - day).days > LATE_DAYS
        keys = {key for key, _ in await self._bucket.keys(usage_prefix(day.isoformat(), tenant))}
        if not keys:
            return Day()
        known = self._day(day, tenant)
        async with known.reading:
            new = keys - known.seen if not known.over else set()
            for usage in await asyncio.gather(*(self._read(key) for key in new)):
                if usage is not None:
                    known.sums.setdefault(usage.type, Sum(day=day, tenant=tenant, type=usage.type)).add(usage)
            known.over = known.over or over
            known.seen = set() if known.over else known.seen | new
        return known

    def _day(self, day: date, tenant: str) -> Day:
        known = self._days.setdefault((day, tenant), Day())
        self._days.move_to_end((day, tenant))
        while len(self._days) > self._remembered:
            self._days.popitem(last=False)
        return known

    async def _read(self, key: str) -> Usage | None:
        async with self._reads:
            data = await self._bucket.get(key)
        try:
            return Usage.model_validate_json(data) if data is not None else None
        except ValidationError:
            log.error("%s is no record of usage and is not counted", key)
            return None


def _today() -> date:
    return datetime.now(UTC).date()


def _days(first: date, last: date) -> Iterator[date]:
    for number in range((last - first).days + 1):
        yield first + timedelta(number)
