"""Which part of a file a request asks for (RFC 9110, section 14)."""

from __future__ import annotations

import re

_ONE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


class UnsatisfiableRangeError(Exception):
    """The part begins beyond the end of the file."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the file has {size} bytes; ask for a part of them")
        self.headers = {"Content-Range": f"bytes */{size}"}


def part_of(header: str | None, size: int) -> range | None:
    """The bytes that a Range header asks for; None for all, also where it asks for what we need not understand."""
    match = _ONE.fullmatch(header.strip()) if header else None
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
