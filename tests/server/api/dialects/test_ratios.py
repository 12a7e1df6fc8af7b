"""Sizes from aspect ratios."""

from __future__ import annotations

import pytest

from server.api.dialects.ratios import size_of
from server.tasks.submission import InvalidParamsError


@pytest.mark.parametrize(
    ("ratio", "side", "size"),
    [
        ("1:1", 512, (512, 512)),
        ("16:9", 1024, (1368, 768)),
        ("9:16", 512, (384, 680)),
        ("3：4", 512, (440, 592)),
        ("2.35:1", 512, (784, 336)),
        ("1024x1024", 512, (512, 512)),
        ("1:1", None, (512, 512)),
    ],
)
def test_size_has_the_ratio_and_the_area_of_the_model(ratio: str, side: int | None, size: tuple[int, int]) -> None:
    assert size_of(ratio, side, "ratio") == size


@pytest.mark.parametrize("ratio", ["", "wide", "0:1", "1:9", "16:9:1"])
def test_what_is_no_ratio_is_refused(ratio: str) -> None:
    with pytest.raises(InvalidParamsError, match=r"ratio .* write 16:9"):
        size_of(ratio, 512, "ratio")
