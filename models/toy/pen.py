"""Shapes on a canvas, filled or stroked: what all things of the toy world are drawn with."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, pi, sin
from typing import TypeAlias

from PIL import ImageDraw

from models.toy.world import COLOURS, Thing

Colour: TypeAlias = tuple[int, int, int]
Point: TypeAlias = tuple[float, float]

STROKE = 0.028
"""Width of the strokes of a line drawing, in 0..1 of the picture."""


class Pen:
    """Draws in a thing's own frame, whose centre is 0 and whose larger side goes from -1 to 1.

    With `line` it strokes outlines in the thing's colour; with `ink` all shapes are filled with that and nothing else.
    """

    def __init__(
        self, canvas: ImageDraw.ImageDraw, thing: Thing, side: int, *, line: bool = False, ink: Colour | None = None
    ) -> None:
        self._canvas, self._side, self._line, self._ink = canvas, side, line, ink
        self._x, self._y, self._half = thing.x * side, thing.y * side, thing.extent * side / 2
        self._colour = COLOURS[thing.colour][0]

    def darker(self, share: float = 0.7) -> Colour:
        """The thing's colour with this share of its light."""
        red, green, blue = self._colour
        return round(red * share), round(green * share), round(blue * share)

    def polygon(self, points: Sequence[Point], colour: Colour | None = None) -> None:
        placed = [self._at(point) for point in points]
        if self._line:
            self._stroke([*placed, placed[0], placed[1]])
        else:
            self._canvas.polygon(placed, fill=self._filling(colour))

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour | None = None) -> None:
        self.polygon([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def ellipse(self, x: float, y: float, wide: float, high: float, colour: Colour | None = None) -> None:
        self.polygon([(x + wide * cos(a), y + high * sin(a)) for a in angles(64)], colour)

    def disc(self, x: float, y: float, radius: float, colour: Colour | None = None) -> None:
        self.ellipse(x, y, radius, radius, colour)

    def path(self, points: Sequence[Point], width: float, colour: Colour | None = None) -> None:
        """A line through the points, `width` wide in the thing's frame."""
        placed = [self._at(point) for point in points]
        if self._line:
            self._stroke(placed)
        else:
            self._canvas.line(placed, fill=self._filling(colour), width=round(width * self._half), joint="curve")

    def _filling(self, colour: Colour | None) -> Colour:
        return self._ink or colour or self._colour

    def _at(self, point: Point) -> Point:
        return self._x + point[0] * self._half, self._y + point[1] * self._half

    def _stroke(self, placed: list[Point]) -> None:
        self._canvas.line(placed, fill=self._filling(None), width=round(STROKE * self._side), joint="curve")


def angles(count: int) -> list[float]:
    """`count` directions all around, the first one up."""
    return [2 * pi * index / count - pi / 2 for index in range(count)]
