"""Reads a file that came in base64, plain or as a data: URI."""

from __future__ import annotations

import asyncio
import binascii
from concurrent.futures import ThreadPoolExecutor

from server.images.codec import BadImageError

BASE64_THREAD = ThreadPoolExecutor(1, "base64")
"""One thread, because decoding holds the GIL: several threads would keep the event loop from it in turn."""


async def decode_base64(text: str, max_bytes: int) -> bytes:
    """The bytes of a data: URI or of plain base64. Raises BadImageError."""
    return await asyncio.get_running_loop().run_in_executor(BASE64_THREAD, _decode, text, max_bytes)


def _decode(text: str, max_bytes: int) -> bytes:
    """The bytes of a data: URI or of plain base64. Raises BadImageError."""
    encoded = text
    if text[:5].lower() == "data:":
        head, _, encoded = text.partition(",")
        if not head.lower().endswith(";base64"):
            raise BadImageError("the data: URI is not base64; write data:image/png;base64,…")
    encoded = "".join(encoded.split())
    if len(encoded) // 4 * 3 - encoded[-2:].count("=") > max_bytes:
        raise BadImageError(f"the image has more than {max_bytes} bytes; send a smaller one")
    try:
        return binascii.a2b_base64(encoded, strict_mode=True)
    except ValueError:
        raise BadImageError(
            "not an http(s) URL, a data: URI, base64 or the id of an upload; send one of these"
        ) from None
