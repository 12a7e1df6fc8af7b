import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.api.middleware.json_size import JsonSize

TEXT = st.text(alphabet=st.sampled_from('a"\\[]{},:é画'))
VALUES = st.recursive(
    st.none() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=30,
)


def size_of(text: bytes, chunk: int) -> tuple[int, int, int]:
    size = JsonSize()
    for start in range(0, len(text), chunk):
        size.add(text[start : start + chunk])
    return size.values, size.names, size.deepest


def measured(value: Any) -> tuple[int, int, int]:
    """What `JsonSize` counts, from the parsed value: commas and opening brackets, names, depth."""
    if not isinstance(value, list | dict):
        return 0, 0, 0
    inner = [measured(item) for item in (value.values() if isinstance(value, dict) else value)]
    values = 1 + max(0, len(value) - 1) + sum(item[0] for item in inner)
    names = (len(value) if isinstance(value, dict) else 0) + sum(item[1] for item in inner)
    return values, names, 1 + max((item[2] for item in inner), default=0)


@given(VALUES, st.integers(1, 7), st.booleans())
def test_size_is_that_of_the_parsed_value(value: Any, chunk: int, ascii_only: bool) -> None:
    assert size_of(json.dumps(value, ensure_ascii=ascii_only).encode(), chunk) == measured(value)


@pytest.mark.parametrize("text", [b'"', b'"[[', b"]]]", b"\\", b'\\"{'])
def test_text_that_is_no_json_is_counted_without_an_error(text: bytes) -> None:
    assert min(size_of(text, 1)) >= 0
