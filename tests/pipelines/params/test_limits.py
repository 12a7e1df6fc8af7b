import pytest
from pydantic import TypeAdapter, ValidationError

from pipelines.params.limits import (
    LONGEST_SIDE,
    SEEDS,
    Fraction,
    GeneratedSide,
    ImageSide,
    Seed,
    TooLargeError,
    refuse_too_many_pixels,
)


@pytest.mark.parametrize(
    ("field_type", "lowest", "highest"),
    [(ImageSide, 1, LONGEST_SIDE), (GeneratedSide, 64, LONGEST_SIDE), (Fraction, 0, 1), (Seed, 0, SEEDS - 1)],
)
def test_field_types_accept_their_range_and_nothing_else(field_type: type, lowest: int, highest: int) -> None:
    adapter = TypeAdapter(field_type)
    assert [adapter.validate_python(value) for value in (lowest, highest)] == [lowest, highest]
    for value in (lowest - 1, highest + 1):
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


def test_refuse_too_many_pixels_counts_pixels_and_not_sides() -> None:
    refuse_too_many_pixels("the result", (400, 25), 100, "make it smaller")
    with pytest.raises(TooLargeError, match=r"401×25 pixels; the limit is 10000 pixels .*; make it smaller"):
        refuse_too_many_pixels("the result", (401, 25), 100, "make it smaller")
