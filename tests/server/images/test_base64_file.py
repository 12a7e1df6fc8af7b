"""Files in base64."""

from __future__ import annotations

import pytest

from server.images.base64_file import decode_base64
from server.images.codec import BadImageError


@pytest.mark.parametrize("text", ["aGFsbG8=", "aGFs\nbG8=", "data:image/png;base64,aGFsbG8="])
async def test_plain_base64_and_data_uris(text: str) -> None:
    assert await decode_base64(text, 100) == b"hallo"


@pytest.mark.parametrize(
    ("text", "words"),
    [("hallo!", "send one of these"), ("data:,hallo", "is not base64"), ("aGFsbG8=", "more than 3 bytes")],
)
async def test_others_are_refused(text: str, words: str) -> None:
    with pytest.raises(BadImageError, match=words):
        await decode_base64(text, 3)
