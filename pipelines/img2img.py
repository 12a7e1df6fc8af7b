"""Image to image: repaint a picture by a prompt, as closely to it as `fidelity` says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from models.kinds.captioner import CAPTIONER
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.caption import DEFAULT_CAPTIONER, described
from pipelines.params.image import ImageParams, strength_of
from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import Models, Pipeline, Recipe, TaskResult, Work

if TYPE_CHECKING:
    import numpy as np


class Img2ImgParams(ImageParams):
    url: ImageRef
    text: str = Field(
        "",
        max_length=20_000,
        description="The prompt, as in txt2img.sd; it may be left out if auto_prompt is set.",
        examples=["a red house on the grass"],
    )
    auto_prompt: bool = Field(
        False, description="Have the picture described by the model `captioner`, and paint that, after `text`."
    )
    fidelity: float = Field(0.2, ge=0, le=1, description="Closeness to the source: 0 ignores it, 1 returns it.")
    keep_alpha: bool = Field(True, description="Give the result the source's alpha; false flattens it onto white.")
    wh: tuple[int, int] = Field((0, 0), description="Resize the source to this width and height first; 0, 0: as it is.")

    @model_validator(mode="after")
    def _check_text(self) -> Self:
        if not self.auto_prompt and "text" not in self.model_fields_set:
            raise ValueError("text is missing; add it, or have the picture described by auto_prompt")
        return self

    @model_validator(mode="after")
    def _check_size(self) -> Self:
        if self.wh != (0, 0) and not all(1 <= side <= 8192 for side in self.wh):
            raise ValueError(f"wh {self.wh} must be two sides from 1 to 8192, or [0, 0] to keep the source's size")
        return self


class Img2Img(Pipeline[Img2ImgParams]):
    names = ("img2img.sd",)
    title = "Image to image"
    Params = Img2ImgParams

    def needs(self, params: Img2ImgParams) -> tuple[AnyModelRef, ...]:
        describing = (ModelRef(CAPTIONER, DEFAULT_CAPTIONER),) if params.auto_prompt else ()
        return (params.checkpoint_ref, *params.extra_models, *describing)

    def work(self, params: Img2ImgParams) -> Work:
        width, height = (min(side, params.max_wh) or params.max_wh for side in params.wh)
        steps = round(params.num_steps * (1 - params.fidelity))
        unsized = params.wh == (0, 0)
        return Work(width * height, params.num_samples, max(steps, 1), params.share, bound=unsized)

    def resolve(self, params: Img2ImgParams) -> Img2ImgParams:
        return params.with_seed()

    def run(self, params: Img2ImgParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.pixels import flattened, resized, snapped, with_alpha, within

        checkpoint = params.load_checkpoint(models, images)
        rgb, alpha = flattened(images["url"])
        if params.auto_prompt:
            caption = yield from described(models.get(ModelRef(CAPTIONER, DEFAULT_CAPTIONER)), rgb)
            params = params.model_copy(update={"text": ", ".join(filter(None, (params.text, caption)))})
        asked: tuple[int, int] = params.wh if params.wh != (0, 0) else (rgb.shape[1], rgb.shape[0])
        width, height = snapped(*asked, params.max_wh)
        source = resized(rgb, width, height)

        noises = params.noises()
        sources = [checkpoint.encode(source, noise, circular=params.use_circular) for noise in noises]
        latents = yield [
            params.denoise(checkpoint, noise, width, height, source=latent, strength=strength_of(params.fidelity))
            for noise, latent in zip(noises, sources, strict=True)
        ]

        made = [pixels for latent in latents for pixels in checkpoint.decode(latent, circular=params.use_circular)]
        made = [resized(pixels, *within(*asked, params.max_wh)) for pixels in made]
        if alpha is not None and params.keep_alpha:
            made = [with_alpha(pixels, alpha) for pixels in made]
        return TaskResult(made)
