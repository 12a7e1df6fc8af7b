"""Text to image, with an optional second pass at a larger size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from pipelines.params.high_res import HighRes
from pipelines.params.image import ImageParams, refuse_odd_size, strength_of
from pipelines.params.limits import GeneratedSide
from pipelines.pipeline import Denoise, Models, Recipe, TaskResult, Work
from pipelines.recipes.image_generation import ImageGeneration

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.catalog.catalog import Catalog
    from models.diffusion.checkpoint import Checkpoint
    from models.noise import SeededNoise


SIZE = "in pixels, a multiple of 8. If neither w nor h is set, the size that the model was trained at, if it is known."


class Txt2ImgParams(ImageParams):
    w: GeneratedSide = Field(512, description=f"Width {SIZE}", examples=[512])
    h: GeneratedSide = Field(512, description=f"Height {SIZE}", examples=[512])
    highres_info: HighRes | None = Field(None, description="Enlarge and refine the image in a second pass.")

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        refuse_odd_size("w", self.w, self.max_wh)
        refuse_odd_size("h", self.h, self.max_wh)
        if self.highres_info is not None and max(self.size) > self.highres_info.max_wh:
            raise ValueError(
                f"highres_info would make {self.size[0]}×{self.size[1]}, above its max_wh {self.highres_info.max_wh}; "
                "lower upscale_factor, or raise max_wh in highres_info"
            )
        return self

    @model_validator(mode="after")
    def _check_second_pass(self) -> Self:
        if self.highres_info is not None:
            self.highres_info.refuse_too_many_steps(self.num_steps, self.sampler)
        return self

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the finished images."""
        return (self.w, self.h) if self.highres_info is None else self.highres_info.size(self.w, self.h)


class Txt2Img(ImageGeneration[Txt2ImgParams]):
    names = ("txt2img.sd",)
    title = "Text to image"
    Params = Txt2ImgParams

    def work(self, params: Txt2ImgParams) -> Work:
        width, height = params.size
        return Work(width * height, params.num_samples, params.num_steps, params.compute_fraction)

    def resolve_names(self, params: Txt2ImgParams, catalog: Catalog) -> Txt2ImgParams:
        """Raises ValidationError as well, if the model's native size does not fit the other parameters."""
        return super().resolve_names(_with_native_size(params, catalog), catalog)

    def run(self, params: Txt2ImgParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        checkpoint = params.load_checkpoint(models, images)
        noises = params.noises()
        latents = yield [params.denoise_request(checkpoint, noise, params.w, params.h) for noise in noises]
        if params.highres_info is not None:
            latents = yield _second_pass(params, params.highres_info, checkpoint, noises, latents)
        return TaskResult(params.decode(checkpoint, latents))


def _second_pass(
    params: Txt2ImgParams,
    highres: HighRes,
    checkpoint: Checkpoint,
    noises: list[SeededNoise],
    latents: list[torch.Tensor],
) -> list[Denoise]:
    """The requests that refine the enlarged `latents` of the first pass, one per noise."""
    width, height = params.size
    return [
        params.denoise_request(
            checkpoint,
            noise,
            width,
            height,
            source=highres.enlarge(latent, width // checkpoint.vae_scale_factor, height // checkpoint.vae_scale_factor),
            strength=strength_of(highres.fidelity),
            steps=highres.steps(params.num_steps),
        )
        for noise, latent in zip(noises, latents, strict=True)
    ]


def _with_native_size(params: Txt2ImgParams, catalog: Catalog) -> Txt2ImgParams:
    """Where neither `w` nor `h` is set, the size that the model was trained at, if its catalog entry has one."""
    if params.model_fields_set & {"w", "h"}:
        return params
    size = catalog.find(params.checkpoint_ref).side
    if size is None:
        return params
    return Txt2ImgParams.model_validate({**params.model_dump(exclude_unset=True), "w": size, "h": size})
