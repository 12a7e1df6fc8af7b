"""Words for colours: models of images understand "dark red", and no hexadecimal numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

Colour = tuple[float, float, float]
_LONG = len("#rrggbb")
_TO_CONES = ((0.4122214708, 0.5363325363, 0.0514459929), (0.2119034982, 0.6806995451, 0.1073969566),
             (0.0883024619, 0.2817188376, 0.6299787005))  # fmt: skip
_TO_LAB = ((0.2104542553, 0.7936177850, -0.0040720468), (1.9779984951, -2.4285922050, 0.4505937099),
           (0.0259040371, 0.7827717662, -0.8086757660))  # fmt: skip
"""The matrices of OKLab (Ottosson, "A perceptual color space for image processing", 2020)."""


def colour_word(code: str) -> str:
    """The word for the colour `#rgb` or `#rrggbb`: that of the colour in the table that looks most like it."""
    colour = _oklab(code)
    return min(_TABLE, key=lambda entry: _distance(entry[0], colour))[1]


def _oklab(code: str) -> Colour:
    """Lightness, green to red, and blue to yellow, in which equal distances look about equal."""
    digits = code[1:] if len(code) == _LONG else "".join(digit * 2 for digit in code[1:])
    linear = [_linear(int(digits[at : at + 2], 16) / 255) for at in (0, 2, 4)]
    return _times(_TO_LAB, [cone ** (1 / 3) for cone in _times(_TO_CONES, linear)])


def _linear(level: float) -> float:
    """Light of an sRGB level, both 0 to 1 (IEC 61966-2-1)."""
    return level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4


def _times(matrix: Sequence[Colour], vector: Sequence[float]) -> Colour:
    first, second, third = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return first, second, third


def _distance(one: Colour, other: Colour) -> float:
    return sum((a - b) ** 2 for a, b in zip(one, other, strict=True))


def _read_table() -> list[tuple[Colour, str]]:
    words = yaml.safe_load(Path(__file__).with_name("colours.yaml").read_text("utf-8"))
    return [(_oklab(code), word) for word, codes in words.items() for code in codes]


_TABLE = _read_table()
