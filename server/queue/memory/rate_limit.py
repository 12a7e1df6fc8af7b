"""Limits how fast tenants submit tasks.

A token bucket, stored as the time when it will be full again: the generic cell rate algorithm in the form of virtual
scheduling (ITU-T Recommendation I.371, annex A).
"""

from __future__ import annotations

from collections.abc import Callable

from server.queue import RateLimitError

ROUNDING_S = 1e-6
"""A shorter wait comes from the rounding of floats and counts as none."""


class RateLimiter:
    """Full buckets are not stored.

    clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def spend(self, tenant: str, per_minute: float, burst: int) -> None:
        """Takes a token. Raises RateLimitError, and then takes none."""
        now, token_s = self._clock(), 60.0 / per_minute
        self._full_at = {name: at for name, at in self._full_at.items() if at > now}
        full_at = self._full_at.get(tenant, now) + token_s
        wait_s = full_at - now - burst * token_s
        if wait_s > ROUNDING_S:
            raise RateLimitError(per_minute, wait_s)
        self._full_at[tenant] = full_at
