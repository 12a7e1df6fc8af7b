"""Palettes of a request, which become words of its prompt."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import from_json

from server.api.dialects.ideogram.colours import colour_word
from server.api.dialects.ideogram.styles import PALETTES

MAX_COLOURS = 8
_CODE = re.compile(r"#(?:[0-9a-fA-F]{3}){1,2}")


class PaletteColour(BaseModel):
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    color_hex: str
    color_weight: float | None = Field(None, ge=0.05, le=1)

    @field_validator("color_hex")
    @classmethod
    def _check_code(cls, value: str) -> str:
        if not _CODE.fullmatch(value):
            raise ValueError(f"{value[:20]!r} is no colour; write # and 3 or 6 hexadecimal digits, such as #8b0000")
        return value


class Palette(BaseModel):
    """A palette by its name, or by its colours."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    name: str | None = None
    members: tuple[PaletteColour, ...] = Field((), max_length=MAX_COLOURS)

    @model_validator(mode="before")
    @classmethod
    def _read_form(cls, value: Any) -> Any:
        """A palette in a form is JSON."""
        if not isinstance(value, str):
            return value
        try:
            return from_json(value.encode(errors="replace"))  # JSON may have lone surrogates, UTF-8 has not
        except ValueError as error:
            raise ValueError(f"this is not valid JSON ({error}); send an object with name or members") from error

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.name is None) is not bool(self.members):
            raise ValueError("send either the name of a palette, or its members with color_hex")
        if self.name is not None and self.name not in PALETTES:
            raise ValueError(f"there is no palette {self.name[:40]!r}; use one of {', '.join(PALETTES)}, or members")
        return self

    @property
    def words(self) -> str:
        """Those of its name; or of its colours, the heaviest first. A colour without a weight has an equal share."""
        if self.name is not None:
            return PALETTES[self.name]
        weights: defaultdict[str, float] = defaultdict(float)
        for member in self.members:
            weights[colour_word(member.color_hex)] += member.color_weight or 1 / len(self.members)
        return f"palette of {', '.join(sorted(weights, key=weights.__getitem__, reverse=True))}"
