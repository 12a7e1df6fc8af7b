"""The rate limit of a tenant: the token buckets alone, and in both queues."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.queue import RateLimitError
from server.queue.memory.rate_limit import RateLimiter

SELDOM = 0.06
"""Tasks a minute: on a busy machine a minute may pass, but not the quarter of an hour to the next."""


@given(st.lists(st.floats(0.0, 30.0), max_size=60), st.integers(1, 9), st.floats(0.5, 120.0))
def test_rate_limit_is_a_token_bucket(pauses: list[float], burst: int, per_minute: float) -> None:
    """Compared with a plain token count that grows with time up to the burst."""
    now, tokens = [0.0], float(burst)
    rates = RateLimiter(lambda: now[0])
    for pause in pauses:
        now[0] += pause
        tokens = min(tokens + pause * per_minute / 60, burst)
        if abs(tokens - round(tokens)) < 1e-6:
            return  # whether a token is there just now, rounding decides
        if tokens >= 1:
            rates.spend("t", per_minute, burst)
            tokens -= 1
        else:
            with pytest.raises(RateLimitError) as refused:
                rates.spend("t", per_minute, burst)
            assert refused.value.retry_after_s == pytest.approx((1 - tokens) * 60 / per_minute)


def test_full_buckets_are_dropped() -> None:
    """I17"""
    now = [0.0]
    rates = RateLimiter(lambda: now[0])
    for number in range(1000):
        now[0] += 1.0
        rates.spend(f"tenant-{number}", 60.0, 5)
    assert len(rates._full_at) <= 2  # private: nothing public shows that memory is freed


async def test_rate_limit_holds_under_concurrency(queue, clock) -> None:
    answers = await asyncio.gather(*(queue.spend("a", SELDOM, 5) for _ in range(50)), return_exceptions=True)
    refused = [each for each in answers if isinstance(each, RateLimitError)]
    assert len(refused) == 45
    assert all(0 < error.retry_after_s <= 60 / SELDOM for error in refused)
    await queue.spend("b", SELDOM, 5)
    clock.pass_by(refused[-1].retry_after_s)
    await queue.spend("a", SELDOM, 5)
    with pytest.raises(RateLimitError, match=r"0\.06 tasks a minute"):
        await queue.spend("a", SELDOM, 5)


async def test_bucket_holds_at_most_its_burst(queue, clock) -> None:
    for _ in range(2):
        for _ in range(3):
            await queue.spend("a", SELDOM, 3)
        with pytest.raises(RateLimitError) as caught:
            await queue.spend("a", SELDOM, 3)
        assert 900 < caught.value.retry_after_s <= 1000
        clock.pass_by(3600)


async def test_larger_bucket_counts_at_once(queue) -> None:
    await queue.spend("a", 1, 1)
    with pytest.raises(RateLimitError):
        await queue.spend("a", 1, 1)
    await queue.spend("a", 1, 2)
