"""How each thing of the toy world looks, in its own frame from -1 to 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import cos, pi, sin

from models.toy.pen import Pen, angles

GLASS, WOOD, SKIN, DARK, SNOW = (205, 232, 246), (118, 74, 40), (236, 190, 152), (44, 44, 50), (250, 250, 252)
LEAF, LAMP = (60, 140, 66), (255, 238, 170)


def house(pen: Pen) -> None:
    pen.box(-0.72, -0.12, 0.72, 0.92)
    pen.polygon([(-0.98, -0.12), (0, -0.95), (0.98, -0.12)], pen.darker())
    pen.box(-0.18, 0.36, 0.18, 0.92, WOOD)
    pen.box(-0.56, 0.08, -0.26, 0.38, LAMP)
    pen.box(0.26, 0.08, 0.56, 0.38, LAMP)


def tree(pen: Pen) -> None:
    pen.box(-0.14, 0.25, 0.14, 0.98, WOOD)
    for x, y, radius in ((-0.42, -0.05, 0.42), (0.42, -0.05, 0.42), (0, -0.45, 0.5), (0, 0.05, 0.45)):
        pen.disc(x, y, radius)


def car(pen: Pen) -> None:
    pen.polygon([(-0.52, -0.08), (-0.32, -0.52), (0.36, -0.52), (0.6, -0.08)])
    pen.polygon([(-0.38, -0.1), (-0.24, -0.42), (-0.02, -0.42), (-0.02, -0.1)], GLASS)
    pen.polygon([(0.08, -0.1), (0.08, -0.42), (0.3, -0.42), (0.45, -0.1)], GLASS)
    pen.box(-0.98, -0.1, 0.98, 0.36)
    for x in (-0.52, 0.52):
        pen.disc(x, 0.38, 0.24, DARK)
        pen.disc(x, 0.38, 0.1, (190, 190, 194))


def boat(pen: Pen) -> None:
    pen.path([(0, 0.42), (0, -0.95)], 0.08, WOOD)
    pen.polygon([(0.08, -0.9), (0.08, 0.3), (0.72, 0.3)], SNOW)
    pen.polygon([(-0.08, -0.7), (-0.08, 0.3), (-0.58, 0.3)], pen.darker(0.85))
    pen.polygon([(-0.98, 0.42), (0.98, 0.42), (0.62, 0.92), (-0.62, 0.92)])


def sun(pen: Pen) -> None:
    for a in angles(12):
        left, right = a - 0.14, a + 0.14
        tip = (0.98 * cos(a), 0.98 * sin(a))
        pen.polygon([(0.62 * cos(left), 0.62 * sin(left)), tip, (0.62 * cos(right), 0.62 * sin(right))])
    pen.disc(0, 0, 0.54)


def moon(pen: Pen) -> None:
    outer = [(0.95 * cos(a), 0.95 * sin(a)) for a in (pi * (0.28 + 1.44 * step / 40) for step in range(41))]
    inner = [(0.42 + 0.78 * cos(a), 0.76 * sin(a)) for a in (pi * (1.62 - 1.24 * step / 40) for step in range(41))]
    pen.polygon([(x + 0.2, y) for x, y in (*outer, *inner)])


def star(pen: Pen) -> None:
    pen.polygon([(r * cos(a), 0.05 + r * sin(a)) for a, r in zip(angles(10), (0.98, 0.42) * 5, strict=True)])


def cloud(pen: Pen) -> None:
    for x, y, radius in ((-0.5, 0.12, 0.36), (-0.08, -0.14, 0.46), (0.42, 0.02, 0.4)):
        pen.disc(x, y, radius)
    pen.polygon([(-0.6, 0.02), (0.6, 0.02), (0.82, 0.3), (0.66, 0.46), (-0.66, 0.46), (-0.86, 0.3)])


def mountain(pen: Pen) -> None:
    pen.polygon([(-0.98, 0.8), (-0.1, -0.85), (0.98, 0.8)])
    pen.polygon([(-0.42, -0.25), (-0.1, -0.85), (0.29, -0.25), (0.1, -0.1), (-0.08, -0.3), (-0.25, -0.08)], SNOW)


def fish(pen: Pen) -> None:
    pen.polygon([(0.45, 0), (0.98, -0.45), (0.9, 0), (0.98, 0.45)], pen.darker(0.85))
    pen.polygon([(-0.1, -0.36), (0.2, -0.68), (0.34, -0.28)], pen.darker(0.85))
    pen.ellipse(-0.2, 0, 0.76, 0.44)
    pen.disc(-0.6, -0.1, 0.12, SNOW)
    pen.disc(-0.62, -0.1, 0.06, DARK)


def flower(pen: Pen) -> None:
    pen.path([(0, 0), (0, 0.98)], 0.1, LEAF)
    pen.ellipse(0.26, 0.68, 0.26, 0.11, LEAF)
    for a in angles(6):
        pen.disc(0.38 * cos(a), -0.36 + 0.38 * sin(a), 0.25)
    pen.disc(0, -0.36, 0.2, (240, 200, 60))


def person(pen: Pen) -> None:
    pen.disc(0, -0.7, 0.26, SKIN)
    pen.path([(-0.3, -0.25), (-0.6, 0.25)], 0.16)
    pen.path([(0.3, -0.25), (0.6, 0.25)], 0.16)
    pen.box(-0.34, -0.42, 0.34, 0.35)
    pen.box(-0.3, 0.35, -0.05, 0.98, DARK)
    pen.box(0.05, 0.35, 0.3, 0.98, DARK)


def balloon(pen: Pen) -> None:
    pen.path([(0, 0.42), (0.1, 0.62), (-0.06, 0.8), (0.04, 0.98)], 0.05, (120, 120, 124))
    pen.polygon([(0, 0.3), (-0.12, 0.5), (0.12, 0.5)])
    pen.ellipse(0, -0.28, 0.56, 0.68)
    pen.ellipse(-0.2, -0.55, 0.1, 0.17, SNOW)


def cat(pen: Pen) -> None:
    pen.path([(0.45, 0.8), (0.8, 0.62), (0.82, 0.2)], 0.16)
    pen.ellipse(0, 0.5, 0.46, 0.48)
    pen.polygon([(-0.46, -0.4), (-0.42, -0.96), (-0.04, -0.62)])
    pen.polygon([(0.46, -0.4), (0.42, -0.96), (0.04, -0.62)])
    pen.ellipse(0, -0.32, 0.5, 0.42)
    for x in (-0.2, 0.2):
        pen.disc(x, -0.36, 0.1, SNOW)
        pen.disc(x, -0.36, 0.05, DARK)


THINGS: Mapping[str, Callable[[Pen], None]] = {
    drawn.__name__: drawn
    for drawn in (house, tree, car, boat, sun, moon, star, cloud, mountain, fish, flower, person, balloon, cat)
}
