"""Overlapping tiles of one size, so that a large image can be processed in parts that fit on the device."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class TileSpan:
    """A tile along one axis, in pixels."""

    begin: int
    end: int
    """The net gets the pixels from `begin` to `end`."""
    first: int
    last: int
    """Of its result, those from `first` to `last` are used; they touch those of the next span."""

    def times(self, factor: int) -> TileSpan:
        return TileSpan(self.begin * factor, self.end * factor, self.first * factor, self.last * factor)


@dataclass(frozen=True, slots=True)
class Tile:
    rows: TileSpan
    columns: TileSpan

    def times(self, factor: int) -> Tile:
        """The same tile of an image that is `factor` times larger."""
        return Tile(self.rows.times(factor), self.columns.times(factor))


def split_tiles(width: int, height: int, tile_size: int, margin: int) -> Iterator[Tile]:
    """Tiles of at most `tile_size` × `tile_size`, all of one size.

    Their used parts cover the image without overlapping, and lie at least `margin` inside their tile, except at the
    edges of the image.
    """
    columns = split_spans(width, tile_size, margin)
    return (Tile(row, column) for row in split_spans(height, tile_size, margin) for column in columns)


def split_spans(length: int, span_length: int, margin: int) -> list[TileSpan]:
    """`length` in spans of `span_length` that overlap by twice the margin; the last one is moved back to fit."""
    if length <= span_length:
        return [TileSpan(0, length, 0, length)]
    stride = span_length - 2 * margin
    count = math.ceil((length - 2 * margin) / stride)
    result: list[TileSpan] = []
    for index in range(count):
        begin = min(index * stride, length - span_length)
        end = begin + span_length
        first = result[-1].last if result else 0
        result.append(TileSpan(begin, end, first, length if index == count - 1 else end - margin))
    return result


class Canvas:
    """Blends overlapping tiles into one image. The weight of a tile falls over `fade` pixels towards its edges, so that
    no seam shows.
    """

    def __init__(self, width: int, height: int, fade: int) -> None:
        self._sum = np.zeros((height, width, 3), np.float32)
        self._weight = np.zeros((height, width, 1), np.float32)
        self._fade = fade

    def add(self, tile: Tile, pixels: np.ndarray) -> None:
        """Adds the uint8 RGB pixels of a whole tile."""
        weight = np.outer(*(self._weights(span) for span in (tile.rows, tile.columns)))[:, :, None]
        box = slice(tile.rows.begin, tile.rows.end), slice(tile.columns.begin, tile.columns.end)
        self._sum[box] += weight * pixels
        self._weight[box] += weight

    @property
    def pixels(self) -> np.ndarray:
        """uint8 RGB [height, width, 3], once each pixel is in at least one tile."""
        means: np.ndarray = np.rint(self._sum / self._weight).astype(np.uint8)
        return means

    def _weights(self, span: TileSpan) -> np.ndarray:
        index = np.arange(span.end - span.begin, dtype=np.float32)
        weights: np.ndarray = np.minimum(np.minimum(index, index[::-1]) + 1, self._fade + 1) / (self._fade + 1)
        return weights
