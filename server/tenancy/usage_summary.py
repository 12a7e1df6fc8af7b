"""Usage summed by day, tenant and task type, for bills."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from pydantic import BaseModel, Field, ValidationError

from server.storage.bucket import Bucket
from server.storage.bucket_keys import USAGE, usage_prefix
from server.task import Status
from server.tenancy.usage import Usage

log = logging.getLogger(__name__)
CONCURRENT_READS = 32
CACHED_DAYS = 2048
LATE_DAYS = 8
"""After this many days no more records are added to a day: the logs have deleted all outcomes of that day."""


class DailyUsage(BaseModel):
    """The tasks of one tenant and one type that ended on one day, in UTC."""

    day: date
    tenant: str
    type: str
    succeeded: int = 0
    failed: int = 0
    canceled: int = 0
    images: int = 0
    cost: float = Field(0.0, description="Requested work, in units of one 512×512 image at 20 steps.")
    charge: float = Field(0.0, description="The work of succeeded tasks, without images that the audit withholds.")
    device_s: float = Field(0.0, description="Seconds for which the tasks occupied a device.")

    def add(self, usage: Usage) -> None:
        self.succeeded += usage.status is Status.SUCCEEDED
        self.failed += usage.status is Status.FAILED
        self.canceled += usage.status is Status.CANCELED
        self.images += usage.images
        self.cost += usage.cost
        self.charge += usage.charge
        self.device_s += usage.device_s


@dataclass(slots=True)
class DayTotals:
    """One day of one tenant, as far as its records have been read."""

    read_keys: set[str] = field(default_factory=set)
    by_type: dict[str, DailyUsage] = field(default_factory=dict)
    complete: bool = False
    """No further records can come. `read_keys` is then empty, because it is not needed any more."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class UsageSummaries:
    """Sums usage records, and caches the totals of the last `cached_days` days that were asked for.

    Records never change, so each is read once while its day is cached. After that a summary only lists the keys of the
    day, and a complete day needs no request at all. `today` returns the day in UTC.
    """

    def __init__(self, bucket: Bucket, cached_days: int = CACHED_DAYS, today: Callable[[], date] | None = None) -> None:
        self._bucket = bucket
        self._cached_days = cached_days
        self._today = today or _today
        self._days: OrderedDict[tuple[date, str], DayTotals] = OrderedDict()
        self._reads = asyncio.Semaphore(CONCURRENT_READS)

    async def summarize(self, tenant: str | None, first: date, last: date) -> list[DailyUsage]:
        """Sums by day, tenant and type, for both days and all between. None: all tenants.

        Raises BucketUnavailableError.
        """
        rows: list[DailyUsage] = []
        for day in _days(first, last):
            tenants = [tenant] if tenant else await self._bucket.folders(f"{USAGE}/{day}")
            for name in tenants:
                rows += await self._rows(day, name)
        return rows

    async def _rows(self, day: date, tenant: str) -> list[DailyUsage]:
        totals = self._days.get((day, tenant))
        if totals is None or not totals.complete:
            totals = await self._update(day, tenant)
        else:
            self._days.move_to_end((day, tenant))
        return [totals.by_type[name].model_copy() for name in sorted(totals.by_type)]

    async def _update(self, day: date, tenant: str) -> DayTotals:
        """The totals of a day, with the records that were added since the last read."""
        complete = (self._today() - day).days > LATE_DAYS
        keys = {key for key, _ in await self._bucket.keys(usage_prefix(day.isoformat(), tenant))}
        if not keys:
            return DayTotals()
        totals = self._cached(day, tenant)
        async with totals.lock:
            new = keys - totals.read_keys if not totals.complete else set()
            for usage in await asyncio.gather(*(self._read(key) for key in new)):
                if usage is not None:
                    row = DailyUsage(day=day, tenant=tenant, type=usage.type)
                    totals.by_type.setdefault(usage.type, row).add(usage)
            totals.complete = totals.complete or complete
            totals.read_keys = set() if totals.complete else totals.read_keys | new
        return totals

    def _cached(self, day: date, tenant: str) -> DayTotals:
        totals = self._days.setdefault((day, tenant), DayTotals())
        self._days.move_to_end((day, tenant))
        while len(self._days) > self._cached_days:
            self._days.popitem(last=False)
        return totals

    async def _read(self, key: str) -> Usage | None:
        async with self._reads:
            data = await self._bucket.get(key)
        try:
            return Usage.model_validate_json(data) if data is not None else None
        except ValidationError:
            log.error("%s is not a usage record and is not counted", key)
            return None


def _today() -> date:
    return datetime.now(UTC).date()


def _days(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(offset)
