"""A1111's labels of schedules."""

from __future__ import annotations

import pytest

from server.images.a1111_names import schedule_label


@pytest.mark.parametrize(
    ("sampler", "sigmas", "spacing", "label"),
    [
        ("euler", None, None, None),
        ("euler", "karras", None, "Karras"),
        ("euler", None, "trailing", "SGM Uniform"),
        ("dpmpp_2m", None, None, "Uniform"),
        ("dpmpp_2m", "karras", None, "Karras"),
        ("dpmpp_2m", "lu", None, "Lu"),
        ("solver", None, None, "Uniform"),
        ("solver", None, "trailing", "SGM Uniform"),
    ],
)
def test_label_from_which_the_same_schedule_follows(
    sampler: str, sigmas: str | None, spacing: str | None, label: str | None
) -> None:
    assert schedule_label(sampler, sigmas, spacing) == label
