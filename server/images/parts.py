"""Counts the parts of an image file: chunks of a PNG or WebP, segments of a JPEG.

Pillow runs Python code for each part and may keep it. A million parts in a file of 12 MB would take 640 MB.
"""

from __future__ import annotations

from collections.abc import Iterator

MAX_PARTS = 20_000
"""A PNG of 50 MB whose pixels are in pieces of 8 KiB has 6,400 chunks."""

START_OF_SCAN, FILL = 0xDA, 0xFF
SIZED_MARKERS = {*range(0xC0, 0xD0), 0xDB, *range(0xE0, 0xF0), 0xFE} - {0xC8}
"""JPEG markers that a length follows, and that Pillow skips by it (ITU-T T.81, table B.1)."""


def has_too_many_parts(data: bytes, file_format: str) -> bool:
    """Whether a PNG, WEBP or JPEG has more than MAX_PARTS parts. Reads no further than that."""
    parts = {"PNG": _png_chunks, "WEBP": _webp_chunks, "JPEG": _jpeg_segments}[file_format](data)
    return any(number >= MAX_PARTS for number, _ in enumerate(parts))


def _png_chunks(data: bytes) -> Iterator[int]:
    """Offsets of chunks (PNG §5.3): length, type, data, checksum."""
    at = 8
    while at < len(data):
        yield at
        if data[at + 4 : at + 8] == b"IEND":
            return
        at += 12 + int.from_bytes(data[at : at + 4], "big")


def _webp_chunks(data: bytes) -> Iterator[int]:
    """Offsets of RIFF chunks: type, length, data, and a byte of padding if the length is odd."""
    at = 12
    while at < len(data):
        yield at
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2


def _jpeg_segments(data: bytes) -> Iterator[int]:
    """Offsets of segments before the first scan, and of each byte between them, which Pillow reads one by one."""
    at = 2
    while at + 1 < len(data):
        yield at
        marker = data[at + 1] if data[at] == FILL else None
        if marker == START_OF_SCAN:
            return
        at += 2 + max(int.from_bytes(data[at + 2 : at + 4], "big"), 2) if marker in SIZED_MARKERS else 1
