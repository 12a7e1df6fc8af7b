"""How fast tenants hand in tasks.

A bucket of tokens, kept as the one time at which it will be full again: the generic cell rate algorithm, in its form
of virtual scheduling (ITU-T Recommendation I.371, annex A).
"""

from __future__ import annotations

from collections.abc import Callable

from server.queue import RateLimitError

ROUNDING_S = 1e-6
"""A wait that is shorter comes from the rounding of floats, and is none."""


class RateLimiter:
    """`clock` is monotonic seconds. Full buckets are not remembered."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._full_at: dict[str, float] = {}

    def spend(self, tenant: str, per_minute: float, burst: int) -> None:
        """Raises RateLimitError, and takes nothing then."""
        now, token_s = self._clock(), 60.0 / per_minute
        self._full_at = {name: at for name, at in self._full_at.items() if at > now}
        full_at = self._full_at.get(tenant, now) + token_s
        wait_s = full_at - now - burst * token_s
        if wait_s > ROUNDING_S:
            raise RateLimitError(per_minute, wait_s)
        self._full_at[tenant] = full_at
