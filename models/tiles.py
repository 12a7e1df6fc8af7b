"""Cutting a picture into equal, overlapping tiles, so that a net never sees more than fits its device."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A tile along one axis: the net sees `begin` to `end`, of which `first` to `last` are kept."""

    begin: int
    end: int
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Tile:
    rows: Span
    columns: Span


def tiles(width: int, height: int, side: int, margin: int) -> Iterator[Tile]:
    """Tiles of at most `side` × `side`, all of one size. Kept parts touch without overlapping and cover the picture;
    they lie `margin` or more inside their tile, but for where the picture itself ends.
    """
    across = spans(width, side, margin)
    return (Tile(rows, columns) for rows in spans(height, side, margin) for columns in across)


def spans(length: int, side: int, margin: int) -> list[Span]:
    """`length` cut into spans of `side` that overlap by twice the margin; the last one is moved back to fit."""
    if length <= side:
        return [Span(0, length, 0, length)]
    stride = side - 2 * margin
    count = math.ceil((length - 2 * margin) / stride)
    cut: list[Span] = []
    for index in range(count):
        begin = min(index * stride, length - side)
        first = cut[-1].last if cut else 0
        cut.append(Span(begin, begin + side, first, length if index == count - 1 else begin + side - margin))
    return cut
