"""Repeats a call while a service that it needs is away, as long as the attempt holds its lease."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

log = logging.getLogger(__name__)
FIRST_PAUSE_S, MAX_PAUSE_S = 0.1, 5.0
T = TypeVar("T")


class LeaseLostError(Exception):
    """The task has ended, or another worker holds its lease."""


async def retry_while_leased(
    call: Callable[[], Awaitable[T]],
    lease_lost: Callable[[], bool],
    unavailable: tuple[type[Exception], ...],
    subject: str,
) -> T:
    """The result of `call`, repeated after growing pauses.

    call: must be safe to repeat.
    lease_lost: read before each call.
    unavailable: errors after which `call` is repeated; others are raised.
    subject: what waits, for the log.

    Raises LeaseLostError.
    """
    pause_s = FIRST_PAUSE_S
    while not lease_lost():
        try:
            return await call()
        except unavailable as error:
            log.warning("%s waits: %s", subject, error)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, MAX_PAUSE_S)
    raise LeaseLostError(f"{subject} is not needed any more")
