import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.storage.bucket_keys import MOMENT_S, image_key, moments_between, swept_at
from server.task import RETENTION_S


@given(st.sampled_from(sorted(RETENTION_S)), st.floats(0, 4e9))
def test_image_is_swept_within_half_a_minute_after_its_end(retention, expires_at) -> None:
    """I14"""
    key = image_key(retention, expires_at, "task", "attempt", "0.png")
    assert expires_at < swept_at(key) <= expires_at + MOMENT_S
    assert swept_at("/".join(key.split("/")[:3])) == swept_at(key)


@given(st.floats(0, 4e9), st.floats(0, 4000))
def test_moments_between_returns_each_moment_once(past, elapsed) -> None:
    now = past + elapsed
    found = [swept_at(f"images/5m/{moment}") for moment in moments_between(past, now)]
    assert all(past < due <= now for due in found)
    assert all(later - sooner == MOMENT_S for sooner, later in itertools.pairwise(found))
    assert len(found) >= elapsed // MOMENT_S


def test_image_key_has_retention_moment_task_and_attempt() -> None:
    expires_at = datetime(2026, 11, 20, 23, 59, 30, tzinfo=UTC).timestamp()
    assert image_key("7d", expires_at, "task", "attempt", "0.webp") == "images/7d/20261121T000000/task/attempt/0.webp"


@pytest.mark.parametrize(
    "key",
    [
        "",
        "images",
        "images/24h",
        "images/24h/x/t/a/0.png",
        "images/24h/20261121T0000/t/a/0.png",
        "a/b/c",
        "uploads/t/file-1",
    ],
)
def test_swept_at_is_infinite_for_other_keys(key: str) -> None:
    assert swept_at(key) == float("inf")
