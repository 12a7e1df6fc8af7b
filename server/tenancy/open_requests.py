"""How many requests each tenant has open, so that one tenant cannot take all connections and their memory."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from server.settings import Settings
from server.tenancy.tenants import Tenants

LEAST = 128
PER_TASK = 2
"""A tenant may wait for each of its unfinished tasks, and submit or upload meanwhile."""


class OpenRequestsError(Exception):
    """The tenant has too many requests open."""

    def __init__(self, limit: int) -> None:
        super().__init__(
            f"{limit} requests of this tenant are open; wait until one is answered, and poll or use a callback instead "
            "of waiting for many tasks at a time"
        )


class OpenRequests:
    """Counts the requests of this process."""

    def __init__(self, tenants: Tenants, settings: Settings) -> None:
        self._tenants = tenants
        self._settings = settings
        self._open: Counter[str] = Counter()

    def limit(self, tenant: str) -> int:
        task_limit = self._tenants.policy(tenant).task_limit or self._settings.task_limit
        return max(LEAST, PER_TASK * task_limit)

    @contextlib.contextmanager
    def count(self, tenant: str) -> Iterator[None]:
        """Raises OpenRequestsError."""
        if self._open[tenant] >= (limit := self.limit(tenant)):
            raise OpenRequestsError(limit)
        self._open[tenant] += 1
        try:
            yield
        finally:
            self._open[tenant] -= 1
