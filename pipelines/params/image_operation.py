"""The parameters of task types that need no model."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import LONGEST_SIDE, CallbackUrl
from pipelines.pipeline import Params

Coordinate = Annotated[int, Field(ge=-LONGEST_SIDE, le=LONGEST_SIDE)]
LtRb = Annotated[
    tuple[Coordinate, Coordinate, Coordinate, Coordinate],
    Field(description="Left, top, right and bottom of a box, in pixels. Right and bottom are just outside the box."),
]
Filter = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


class ImageOperationParams(Params):
    """The parameters of all these task types."""

    callback_url: CallbackUrl = ""

    @property
    def pixels(self) -> int:
        """Pixels of a result, as far as they are known before the input images are; else those of 512×512."""
        return 512 * 512


class SourceImageParams(ImageOperationParams):
    """The parameters of task types that start from one image."""

    url: ImageRef
