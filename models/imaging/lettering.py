"""Words drawn as a picture, as large as they fit."""

from __future__ import annotations

import io
from typing import Any, cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MARGIN = 0.08
"""Empty ground on each side, as a fraction of the shorter side."""
MISSING = "\U0010ffff"
"""A character that no font has: its glyph is that of missing ones."""
STROKE = 0.02
"""Width of an outline that makes letters bolder, as a fraction of their size."""


class MissingGlyphError(ValueError):
    """The font cannot draw a character."""

    code = "bad_input"


def draw_words(words: str, width: int, height: int, font: bytes | None = None) -> np.ndarray:
    """The words in black on white in the middle, uint8 [height, width]. Line ends in them end lines.

    font: a TrueType or OpenType file; None: Pillow's own font, which has Latin letters. Raises MissingGlyphError.
    """
    _refuse_missing_glyphs(words, font)
    canvas = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(canvas)
    margin = round(min(width, height) * MARGIN)
    small, large = 4, height * 2
    while small < large - 1:  # the largest size at which they fit
        size = (small + large) // 2
        left, top, right, bottom = _box(draw, words, _font(font, size), size)
        fits = right - left <= width - 2 * margin and bottom - top <= height - 2 * margin
        small, large = (size, large) if fits else (small, size)
    chosen = _font(font, small)
    left, top, right, bottom = _box(draw, words, chosen, small)
    corner = (width - right - left) / 2, (height - bottom - top) / 2
    draw.multiline_text(corner, words, 0, chosen, align="center", stroke_width=_stroke(small))
    return np.asarray(canvas)


def _box(draw: ImageDraw.ImageDraw, words: str, font: ImageFont.FreeTypeFont, size: int) -> tuple[float, ...]:
    return draw.multiline_textbbox((0, 0), words, font, align="center", stroke_width=_stroke(size))


def _stroke(size: int) -> int:
    return round(size * STROKE)


def _font(file: bytes | None, size: int) -> ImageFont.FreeTypeFont:
    if file is not None:
        return ImageFont.truetype(io.BytesIO(file), size)
    own: Any = ImageFont.load_default(size)  # a bitmap font only if Pillow was built without FreeType
    return cast(ImageFont.FreeTypeFont, own)


def _refuse_missing_glyphs(words: str, file: bytes | None) -> None:
    font = _font(file, 32)
    missing = bytes(font.getmask(MISSING))
    for character in words:
        if not character.isspace() and bytes(font.getmask(character)) == missing:
            advice = "use other words, or ask the operator for a font that has it (family font in models.yaml)"
            raise MissingGlyphError(f"words: the font cannot draw {character!r}; {advice}")
