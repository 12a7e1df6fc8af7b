"""The base of task types that need no model: images in, images or numbers out, on the CPU of any free worker."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeVar

from models.kinds.kind import AnyModelRef
from pipelines.params.image_operation import ImageOperationParams
from pipelines.pipeline import Models, Pipeline, Recipe, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np


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
