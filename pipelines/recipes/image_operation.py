"""What tasks share that need no model: pixels in, pixels or numbers out, on the CPU of whichever worker is free."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import Field

from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np

LONGEST = 8192
Side = Annotated[int, Field(ge=1, le=LONGEST)]
Place = Annotated[int, Field(ge=-LONGEST, le=LONGEST)]
LtRb = Annotated[
    tuple[Place, Place, Place, Place],
    Field(description="Left, top, right and bottom of a box, the latter two just beyond it."),
]
Filter = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]


class ImageOperationParams(Params):
    """What all of these take."""

    callback_url: str = Field("", max_length=2048, description="Kept for old clients; the envelope's notify_url wins.")

    @property
    def pixels(self) -> int:
        """Of a result, as far as it is known before the pictures are."""
        return 512 * 512


class SourceImageParams(ImageOperationParams):
    """What those take that start from a picture."""

    url: ImageRef


class BadBoxError(ValueError):
    """A box holds nothing of the picture."""

    code = "bad_input"


class SizeMismatchError(ValueError):
    """Two pictures that are to be taken together are not of one size."""

    code = "bad_input"


P = TypeVar("P", bound=ImageOperationParams)


class ImageOperation(Pipeline[P]):
    def needs(self, params: P) -> tuple[str, ...]:
        return ()

    def work(self, params: P) -> Work:
        return Work(pixels=params.pixels, images=1, steps=1)

    def run(self, params: P, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        yield []
        return self.made(params, images)

    @abstractmethod
    def made(self, params: P, images: Mapping[str, np.ndarray]) -> TaskResult:
        """The result for uint8 `images` [height, width, 3 or 4] by parameter."""
