"""The requests of the Midjourney shape."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from pipelines.pipeline import MAX_TEXT
from server.api.dialects.chuzhan.request import DetailRequest, NotifiedRequest, Picture

IMAGES = 4
"""A drawing is a grid of so many images."""
Direction = Literal["left", "right", "up", "down"]


class Request(NotifiedRequest):
    """What every request has that makes a task."""

    type: Literal["relax", "fast"] = Field("relax", description="fast: before others, if the key may.")


class ImagineRequest(Request):
    prompt: str = Field(
        min_length=1,
        max_length=MAX_TEXT,
        description="At its end `--ar 3:2`, `--no WORDS`, `--seed N`, `--s 0…1000` and `--tile` are read.",
        examples=["one boy --ar 3:2"],
    )
    image_url: Picture | None = Field(None, description="A picture to start from.")


class DescribeRequest(Request):
    image_url: Picture


class ImageRequest(Request):
    """A request about one of the images of an earlier task."""

    task_id: str = Field(max_length=64, description="The `paintingSign` of the earlier request.")
    index: int = Field(1, ge=1, le=IMAGES, description="Which of its images.")


class VariationRequest(ImageRequest):
    strength: float = Field(0.2, ge=0, le=1, description="How far the new images are from that one.")


class ZoomOutRequest(ImageRequest):
    scale: float = Field(2, gt=1, le=2, description="How many times larger the visible part becomes.")
    pan: Direction | None = Field(None, description="Grow by half in this direction alone, instead of to all sides.")
    prompt: str = Field("", max_length=MAX_TEXT, description="Default: that of the earlier request.")


class ProgressRequest(DetailRequest):
    """The `imgFormat` and `imgQuality` of the detail of a task count here, too."""
