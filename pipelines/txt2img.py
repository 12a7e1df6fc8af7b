"""Text to image, with an optional second pass at a larger size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from pipelines.params.image import refuse_odd_size
from pipelines.params.limits import GeneratedSide
from pipelines.params.second_pass import SecondPassParams
from pipelines.pipeline import Models, Recipe, TaskResult, Work
from pipelines.recipes.image_generation import ImageGeneration, generate_from_noise
from pipelines.recipes.native_size import SIZE, with_native_size
from pipelines.recipes.two_passes import generate_in_two_passes

if TYPE_CHECKING:
    import numpy as np

    from models.catalog.catalog import Catalog


class Txt2ImgParams(SecondPassParams):
    w: GeneratedSide = Field(512, description=f"Width {SIZE}", examples=[512])
    h: GeneratedSide = Field(512, description=f"Height {SIZE}", examples=[512])

    @model_validator(mode="after")
    def _check_sides(self) -> Self:
        refuse_odd_size("w", self.w, self.max_wh)
        refuse_odd_size("h", self.h, self.max_wh)
        return self

    @property
    def first_size(self) -> tuple[int, int]:
        return self.w, self.h


class Txt2Img(ImageGeneration[Txt2ImgParams]):
    names = ("txt2img.sd",)
    title = "Text to image"
    Params = Txt2ImgParams

    def work(self, params: Txt2ImgParams) -> Work:
        width, height = params.size
        last = params.second_pass
        return Work(width * height, params.num_samples, last.num_steps, last.compute_fraction)

    def resolve_names(self, params: Txt2ImgParams, catalog: Catalog) -> Txt2ImgParams:
        """Raises ValidationError as well, if the model's native size does not fit the other parameters."""
        return super().resolve_names(with_native_size(params, params.checkpoint_ref, catalog), catalog)

    def run(self, params: Txt2ImgParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        checkpoint = params.load_checkpoint(models, images)
        if params.highres_info is None:
            return TaskResult((yield from generate_from_noise(params, checkpoint, params.w, params.h)))
        return TaskResult((yield from generate_in_two_passes(params, params.highres_info, checkpoint, models, images)))
