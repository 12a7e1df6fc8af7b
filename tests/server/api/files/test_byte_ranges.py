import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.api.files.byte_ranges import UnsatisfiableRangeError, parse_range


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
def test_parse_range_returns_the_requested_part(header: str, part: range) -> None:
    assert parse_range(header, 100) == part


@pytest.mark.parametrize("header", [None, "", "bytes=-", "bytes=5-2", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "0-5"])
def test_parse_range_ignores_other_headers(header: str | None) -> None:
    assert parse_range(header, 100) is None


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_parse_range_refuses_a_start_beyond_the_end(header: str) -> None:
    with pytest.raises(UnsatisfiableRangeError, match="100 bytes"):
        parse_range(header, 100)


@given(st.text(alphabet="bytes=-,0123456789 ", max_size=24), st.integers(1, 1000))
def test_parsed_range_is_never_empty_and_within_the_file(header: str, size: int) -> None:
    try:
        part = parse_range(header, size)
    except UnsatisfiableRangeError:
        return
    assert part is None or (len(part) > 0 and 0 <= part.start < part.stop <= size)
