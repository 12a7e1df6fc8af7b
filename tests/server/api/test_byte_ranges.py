import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.api.byte_ranges import UnsatisfiableRangeError, parse_range


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-0", range(0, 1)),
        ("bytes=10-19", range(10, 20)),
        ("bytes=90-", range(90, 100)),
        ("bytes=90-500", range(90, 100)),
        ("bytes=-7", range(93, 100)),
        ("bytes=-500", range(100)),
    ],
)
def test_a_part_is_understood(header: str, part: range) -> None:
    assert parse_range(header, 100) == part


@pytest.mark.parametrize("header", [None, "", "bytes=-", "bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "0-5"])
def test_what_need_not_be_understood_asks_for_all(header: str | None) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_what_begins_beyond_the_end_is_refused(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError, match="100 bytes"):
        parse_range(header, 100)


@given(st.text(alphabet="bytes=-,0123456789 ", max_size=24), st.integers(1, 1000))
def test_a_part_is_never_empty_and_never_beyond_the_file(header: str, size: int) -> None:
    try:
        part = parse_range(header, size)
    except UnsatisfiableRangeError:
        return
    assert part is None or (len(part) > 0 and 0 <= part.start < part.stop <= size)
