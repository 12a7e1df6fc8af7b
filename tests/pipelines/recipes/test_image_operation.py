from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from pipelines.params.image_operation import ImageOperationParams
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation


class Halve(ImageOperation[ImageOperationParams]):
    names = ("halve",)
    title = "Halve"
    Params = ImageOperationParams

    def apply(self, params: ImageOperationParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        return TaskResult([images["url"] // 2])


def test_operation_needs_no_model_and_one_step() -> None:
    params = ImageOperationParams()
    assert Halve().needs(params) == ()
    assert (Halve().work(params).images, Halve().work(params).steps) == (1, 1)


def test_run_lets_other_tasks_step_and_then_applies() -> None:
    recipe = Halve().run(ImageOperationParams(), None, {"url": np.full((2, 2, 3), 8, np.uint8)})  # type: ignore[arg-type]
    assert next(recipe) == []
    with pytest.raises(StopIteration) as finished:
        next(recipe)
    (image,) = finished.value.value.images
    assert (image == 4).all()
