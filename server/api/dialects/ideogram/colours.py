"""The words of a colour palette."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from server.api.dialects.ideogram.styles import PALETTES, one_of


def read_palette(value: Any) -> Any:
    """A palette that may come as JSON in a form. Raises ValueError."""
    return json.loads(value) if isinstance(value, str) else value


def palette_words(palette: Mapping[str, Any] | None) -> str:
    """Words for a palette by name, or by its colours. Raises ValueError."""
    palette = palette or {}
    if name := palette.get("name"):
        return str(one_of("color_palette", name, PALETTES))
    members = palette.get("members", [])
    colours = [str(member.get("color_hex", "")) for member in members if isinstance(member, dict)]
    return f"palette of {', '.join(colours)}" if colours else ""
