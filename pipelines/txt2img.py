"""Text to image, with an optional second pass at a larger size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from pydantic import Field, ValidationError, model_validator

from models.catalog.entry import ModelEntry
from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.upscaler import UPSCALER
from models.pydantic_errors import first_sentence
from pipelines.params.high_res import HighRes
from pipelines.params.image import ImageParams, refuse_odd_size, strength_of
from pipelines.params.limits import GeneratedSide
from pipelines.pipeline import Denoise, Models, Recipe, Steps, TaskResult, Work
from pipelines.recipes.image_generation import ImageGeneration

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.catalog.catalog import Catalog
    from models.diffusion.checkpoint import Checkpoint
    from models.noise import SeededNoise
    from models.vision.upscaler import Upscaler


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
        if self.highres_info is None:
            return self
        try:
            second = self.second_pass
        except ValidationError as error:
            raise ValueError(f"highres_info: {first_sentence(error)}") from error
        self.highres_info.refuse_too_many_steps(second.num_steps, second.sampler)
        return self

    @property
    def second_pass(self) -> Txt2ImgParams:
        """The parameters of the second pass. Raises ValidationError."""
        own = self.highres_info.own if self.highres_info else {}
        if not own:
            return self
        return Txt2ImgParams.model_validate(self.model_dump(exclude_unset=True, exclude={"highres_info"}) | own)

    def with_mentioned_embeddings(self, embeddings: Sequence[ModelEntry]) -> Self:
        """Those of the second pass, too."""
        params, highres = super().with_mentioned_embeddings(embeddings), self.highres_info
        if highres is None or self.embeddings is not None or (highres.text is highres.negative_prompt is None):
            return params
        second = self.second_pass.with_mentioned_embeddings(embeddings)
        negative = None if highres.negative_prompt is None else second.negative_prompt
        return params.model_copy(
            update={
                "embeddings": tuple(dict.fromkeys((*(params.embeddings or ()), *(second.embeddings or ())))),
                "highres_info": highres.model_copy(update={"negative_prompt": negative}),
            }
        )

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the finished images."""
        return (self.w, self.h) if self.highres_info is None else self.highres_info.size(self.w, self.h)


class Txt2Img(ImageGeneration[Txt2ImgParams]):
    names = ("txt2img.sd",)
    title = "Text to image"
    Params = Txt2ImgParams

    def needs(self, params: Txt2ImgParams) -> tuple[AnyModelRef, ...]:
        upscaler = params.highres_info and params.highres_info.upscaler
        return (*super().needs(params), *((ModelRef(UPSCALER, upscaler),) if upscaler else ()))

    def work(self, params: Txt2ImgParams) -> Work:
        width, height = params.size
        last = params.second_pass
        return Work(width * height, params.num_samples, last.num_steps, last.compute_fraction)

    def resolve_names(self, params: Txt2ImgParams, catalog: Catalog) -> Txt2ImgParams:
        """Raises ValidationError as well, if the model's native size does not fit the other parameters."""
        return super().resolve_names(_with_native_size(params, catalog), catalog)

    def run(self, params: Txt2ImgParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        checkpoint = params.load_checkpoint(models, images)
        noises = params.noises()
        latents = yield [params.denoise_request(checkpoint, noise, params.w, params.h) for noise in noises]
        if params.highres_info is not None:
            upscaler = params.highres_info.upscaler and models.get(ModelRef(UPSCALER, params.highres_info.upscaler))
            larger = yield from _enlarged(params, params.highres_info, checkpoint, upscaler or None, noises, latents)
            latents = yield _second_requests(params, params.highres_info, checkpoint, noises, larger)
        return TaskResult(params.decode(checkpoint, latents))


def _enlarged(
    params: Txt2ImgParams,
    highres: HighRes,
    checkpoint: Checkpoint,
    upscaler: Upscaler | None,
    noises: list[SeededNoise],
    latents: list[torch.Tensor],
) -> Steps[list[torch.Tensor]]:
    """The latents of the first pass at the size of the second."""
    from models.imaging.resize_modes import resize_to

    (width, height), factor = params.size, checkpoint.vae_scale_factor
    if not highres.enlarges_pixels:
        return [highres.enlarge(latent, width // factor, height // factor) for latent in latents]
    results = []
    for noise, pixels in zip(noises, params.decode(checkpoint, latents), strict=True):
        canvas = pixels
        if upscaler is not None:
            canvas = upscaler.canvas(pixels)
            for _ in upscaler.enlarge(pixels, canvas):
                yield []
        results.append(params.encode(checkpoint, resize_to(canvas, width, height, "cover"), noise))
    return results


def _second_requests(
    params: Txt2ImgParams,
    highres: HighRes,
    checkpoint: Checkpoint,
    noises: list[SeededNoise],
    latents: list[torch.Tensor],
) -> list[Denoise]:
    """The requests that refine the enlarged `latents`, one per noise."""
    (width, height), second = params.size, params.second_pass
    return [
        second.denoise_request(
            checkpoint,
            noise,
            width,
            height,
            source=latent,
            strength=strength_of(highres.fidelity),
            steps=highres.steps(second.num_steps),
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
