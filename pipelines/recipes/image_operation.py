"""The base of task types that need no model: images in, images or numbers out, on the CPU of any free worker."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

from pydantic import Field

from models.kinds.kind import AnyModelRef
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import LONGEST_SIDE, CallbackUrl
from pipelines.pipeline import Models, Params, Pipeline, Recipe, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np

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


class BadBoxError(ValueError):
    """A box contains no pixel of the image."""

    code = "bad_input"


P = TypeVar("P", bound=ImageOperationParams)


class ImageOperation(Pipeline[P]):
    def needs(self, params: P) -> tuple[AnyModelRef, ...]:
        return ()

    def work(self, params: P) -> Work:
        return Work(pixels=params.pixels, images=1, steps=1)

    def run(self, params: P, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        yield []
        return self.apply(params, images)

    @abstractmethod
    def apply(self, params: P, images: Mapping[str, np.ndarray]) -> TaskResult:
        """The result for uint8 `images` [height, width, 3 or 4], by parameter name."""
