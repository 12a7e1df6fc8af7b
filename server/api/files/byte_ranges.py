"""The Range header of a request (RFC 9110, section 14)."""

from __future__ import annotations

import re

_SINGLE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class UnsatisfiableRangeError(Exception):
    """The range begins beyond the end of the file."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the file has {size} bytes; ask for a range within them")
        self.headers = {"Content-Range": f"bytes */{size}"}


def parse_range(header: str | None, size: int) -> range | None:
    """The bytes that a Range header asks for; None for the whole file.

    A header that is not one valid byte range is ignored, as the RFC allows. Raises UnsatisfiableRangeError.
    """
    match = _SINGLE_RANGE.fullmatch(header.strip()) if header else None
    if match is None or match[0] == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
        if last and int(last) < start:
            return None
    if start >= size:
        raise UnsatisfiableRangeError(size)
    return range(start, end)
