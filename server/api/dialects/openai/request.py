"""The requests of OpenAI's Images API. Numbers may come as text, as they do in forms; null stands for "not set"."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from pipelines.pipeline import MAX_TEXT
from server.task import AnyRetention, Priority
from server.tasks.submission import InvalidParamsError

MAX_IMAGES = 10
MIN_SIDE, MAX_SIDE = 64, 8192
_SIZE = re.compile(r"(\d{1,5})[xX×](\d{1,5})")

Quality = Literal["auto", "low", "medium", "high", "xhigh", "max", "standard", "hd"]
Background = Literal["auto", "opaque", "transparent"]
Size = tuple[int, int]


class ImageRequest(BaseModel):
    """What all requests for images have in common. Further fields are parameters of Hua's own, or ignored."""

    model_config = ConfigDict(extra="allow", hide_input_in_errors=True)

    model: str = Field("", max_length=200, description="A model that GET /v1/models lists, or a name of OpenAI's.")
    n: int = Field(1, ge=1, le=MAX_IMAGES, description="Number of images.")
    size: str = Field("auto", max_length=32, description="`WIDTHxHEIGHT`, or `auto`.", examples=["512x512"])
    response_format: Literal["url", "b64_json"] | None = Field(
        None, description="Default: b64_json for models named gpt-image-… or chatgpt-image-…, else url."
    )
    output_format: Literal["png", "jpeg", "webp"] = "png"
    output_compression: int | None = Field(None, ge=0, le=100, description="Quality of jpeg and webp.")
    quality: Quality = Field("auto", description="Sets the number of denoising steps.")
    background: Background = Field("auto", description="`transparent` cuts out the main object.")
    style: str = Field("", max_length=128, description="A style of the operator; `vivid` and `natural` are ignored.")
    stream: bool = Field(False, description="Answer with server-sent events.")
    partial_images: int = Field(0, ge=0, le=3, description="Number of previews, with `stream`.")
    moderation: Literal["auto", "low"] = Field("auto", description="Ignored: the operator decides.")
    user: str = Field("", max_length=1000, description="Ignored.")
    safety_identifier: str = Field("", max_length=1000, description="Ignored.")
    priority: Priority | None = Field(None, description="Of the task, as in POST /v1/tasks.")
    retention: AnyRetention | None = Field(None, description="Of the images, as in POST /v1/tasks.")

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, values: Any) -> Any:
        return {k: v for k, v in values.items() if v is not None} if isinstance(values, dict) else values

    @field_validator("background")
    @classmethod
    def _check_transparency(cls, value: Background, info: ValidationInfo) -> Background:
        if value == "transparent" and info.data.get("output_format") == "jpeg":
            raise ValueError("background transparent needs output_format png or webp, because jpeg has no transparency")
        return value

    @property
    def pixel_size(self) -> Size | None:
        """Width and height; None for `auto`. Raises InvalidParamsError."""
        if self.size in ("auto", ""):
            return None
        match = _SIZE.fullmatch(self.size)
        if match is None:
            raise InvalidParamsError(f"size {self.size!r} is not a size; write WIDTHxHEIGHT, or auto", "size")
        size = int(match[1]), int(match[2])
        if not all(MIN_SIDE <= side <= MAX_SIDE for side in size):
            raise InvalidParamsError(f"size {self.size}: each side may have {MIN_SIDE} to {MAX_SIDE} pixels", "size")
        return size

    @property
    def sends_base64(self) -> bool:
        """Whether the answer has the images themselves, not links."""
        if self.response_format is None:
            return self.stream or re.match(r"(openai/)?(chat)?gpt-image-", self.model.lower()) is not None
        return self.response_format == "b64_json"


class GenerationRequest(ImageRequest):
    """A request for images from a prompt."""

    prompt: str = Field(max_length=MAX_TEXT, description="What to paint.", examples=["a red house on the grass"])


class EditRequest(ImageRequest):
    """A request to change a picture. The images themselves are apart, because they are parts of a form or URLs."""

    prompt: str = Field(max_length=MAX_TEXT, description="What the result shall show.")
    input_fidelity: Literal["low", "high"] = Field("low", description="How closely the result follows the picture.")


class VariationRequest(ImageRequest):
    """A request for pictures that resemble one."""
