"""What Ideogram's requests for pictures have in common. Unknown fields are ignored, as its own samples need it."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.pipeline import MAX_TEXT
from server.api.dialects.ideogram.palette import Palette
from server.api.dialects.ideogram.styles import TYPES, one_of

STEPS = {"FLASH": 8, "TURBO": 12, "BALANCED": 20, "DEFAULT": 20, "QUALITY": 40}
"""Denoising steps by rendering speed."""
MagicPrompt = Literal["AUTO", "ON", "OFF"]
Size = tuple[int, int]


class PictureRequest(BaseModel):
    """The fields of every version."""

    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)

    prompt: str = Field(min_length=1, max_length=MAX_TEXT)
    negative_prompt: str = Field("", max_length=MAX_TEXT)
    num_images: int = Field(1, ge=1, le=8)
    seed: int | None = Field(None, ge=0, le=2147483647)
    style_type: str = "AUTO"
    color_palette: Palette | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, values: Any) -> Any:
        return (
            {name: value for name, value in values.items() if value is not None} if isinstance(values, dict) else values
        )

    @model_validator(mode="after")
    def _check_words(self) -> PictureRequest:
        _ = self.words
        return self

    @property
    def style_words(self) -> list[str]:
        return [one_of("style_type", self.style_type, TYPES)]

    @property
    def words(self) -> str:
        """The prompt with the words of its styles and colours."""
        palette = "" if self.color_palette is None else self.color_palette.words
        return ", ".join(filter(None, (self.prompt, *self.style_words, palette)))

    @property
    @abstractmethod
    def magic(self) -> MagicPrompt:
        """Whether the prompt is to be written out at length."""

    @property
    @abstractmethod
    def model_name(self) -> str:
        """The model in the words of this API."""

    @property
    def steps(self) -> int:
        return STEPS["DEFAULT"]


class SizedRequest(PictureRequest):
    """A request that says how large the picture shall be."""

    aspect_ratio: str | None = None
    resolution: str | None = None

    @model_validator(mode="after")
    def _check_size(self) -> SizedRequest:
        if self.resolution and self.aspect_ratio:
            raise ValueError("resolution and aspect_ratio contradict each other; send only one of them")
        _ = self.size
        return self

    @property
    @abstractmethod
    def size(self) -> Size:
        """Width and height."""


def pixels(name: str) -> Size:
    """Width and height of `WIDTHxHEIGHT`."""
    width, height = name.split("x")
    return int(width), int(height)
