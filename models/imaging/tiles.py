"""Cutting a picture into equal, overlapping tiles, so that a net never sees more than fits its device."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class TileSpan:
    """A tile along one axis: the net sees `begin` to `end`, of which `first` to `last` are kept."""

    begin: int
    end: int
    first: int
    last: int

    def times(self, factor: int) -> TileSpan:
        return TileSpan(self.begin * factor, self.end * factor, self.first * factor, self.last * factor)


@dataclass(frozen=True, slots=True)
class Tile:
    rows: TileSpan
    columns: TileSpan

    def times(self, factor: int) -> Tile:
        """The same tile of a picture that is `factor` times larger."""
        return Tile(self.rows.times(factor), self.columns.times(factor))


def tiles(width: int, height: int, side: int, margin: int) -> Iterator[Tile]:
    """Tiles of at most `side` × `side`, all of one size. Kept parts touch without overlapping and cover the picture;
    they lie `margin` or more inside their tile, but for where the picture itself ends.
    """
    across = spans(width, side, margin)
    return (Tile(rows, columns) for rows in spans(height, side, margin) for columns in across)


def spans(length: int, side: int, margin: int) -> list[TileSpan]:
    """`length` cut into spans of `side` that overlap by twice the margin; the last one is moved back to fit."""
    if length <= side:
        return [TileSpan(0, length, 0, length)]
    stride = side - 2 * margin
    count = math.ceil((length - 2 * margin) / stride)
    cut: list[TileSpan] = []
    for index in range(count):
        begin = min(index * stride, length - side)
        first = cut[-1].last if cut else 0
        cut.append(TileSpan(begin, begin + side, first, length if index == count - 1 else begin + side - margin))
    return cut


class Canvas:
    """Room for tiles that are painted over what they overlap with: towards its ends, over `fade` pixels, each weighs
    less and less, so that no seam shows.
    """

    def __init__(self, width: int, height: int, fade: int) -> None:
        self._sum = np.zeros((height, width, 3), np.float32)
        self._weight = np.zeros((height, width, 1), np.float32)
        self._fade = fade

    def lay(self, tile: Tile, pixels: np.ndarray) -> None:
        """uint8 RGB pixels of all that the tile shows."""
        weight = np.outer(*(self._weights(span) for span in (tile.rows, tile.columns)))[:, :, None]
        place = slice(tile.rows.begin, tile.rows.end), slice(tile.columns.begin, tile.columns.end)
        self._sum[place] += weight * pixels
        self._weight[place] += weight

    @property
    def pixels(self) -> np.ndarray:
        """uint8 RGB [height, width, 3], once every pixel lies in some tile."""
        means: np.ndarray = np.rint(self._sum / self._weight).astype(np.uint8)
        return means

    def _weights(self, span: TileSpan) -> np.ndarray:
        place = np.arange(span.end - span.begin, dtype=np.float32)
        weights: np.ndarray = np.minimum(np.minimum(place, place[::-1]) + 1, self._fade + 1) / (self._fade + 1)
        return weights
