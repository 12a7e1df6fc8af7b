"""Image to image: repaint a picture from a prompt, as closely to the picture as `fidelity`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from models.kinds.captioner import CAPTIONER
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.image_refs import ImageRef
from pipelines.params.picture_size import PICTURE_SIZE, PictureSizeParams
from pipelines.params.prompts import Prompt
from pipelines.pipeline import Models, Recipe, TaskResult, Work
from pipelines.recipes.captioning import DEFAULT_CAPTIONER, caption, with_gender
from pipelines.recipes.image_generation import ImageGeneration, generate_from_image

if TYPE_CHECKING:
    import numpy as np

DEFAULT_CAPTIONER_REF = ModelRef(CAPTIONER, DEFAULT_CAPTIONER)


class Img2ImgParams(PictureSizeParams):
    url: ImageRef
    text: Prompt = Field(
        "",
        max_length=20_000,
        description="The prompt, as in txt2img.sd. It may be left out if auto_prompt is true.",
        examples=["a red house on the grass"],
    )
    auto_prompt: bool = Field(
        False, description="Describe the picture with the model `captioner` and append the description to `text`."
    )
    auto_gender: bool = Field(
        False,
        description="Describe the picture with the model `captioner`, and begin the prompt with `1girl` or `1boy` if "
        "the description says so.",
    )
    fidelity: float = Field(
        0.2, ge=0, le=1, description="How closely the result follows the picture: 0 ignores it, 1 returns it."
    )
    keep_alpha: bool = Field(
        True, description="Give the result the alpha of the picture. false: flatten the picture onto white."
    )

    @model_validator(mode="after")
    def _check_text(self) -> Self:
        if not self.auto_prompt and "text" not in self.model_fields_set:
            raise ValueError("text is missing; add it, or set auto_prompt to have the picture described")
        return self

    @property
    def is_described(self) -> bool:
        return self.auto_prompt or self.auto_gender

    def prompt_with(self, description: str) -> str:
        """The prompt, for a picture of this description."""
        text = ", ".join(filter(None, (self.text, description if self.auto_prompt else "")))
        return with_gender(text, description) if self.auto_gender else text


class Img2Img(ImageGeneration[Img2ImgParams]):
    names = ("img2img.sd",)
    title = "Image to image"
    Params = Img2ImgParams

    def needs(self, params: Img2ImgParams) -> tuple[AnyModelRef, ...]:
        return (*super().needs(params), *((DEFAULT_CAPTIONER_REF,) if params.is_described else ()))

    def work(self, params: Img2ImgParams) -> Work:
        width, height = (min(side, params.max_wh) or params.max_wh for side in params.wh)
        steps = max(round(params.num_steps * (1 - params.fidelity)), 1)
        is_upper_bound = params.wh == PICTURE_SIZE
        return Work(width * height, params.num_samples, steps, params.compute_fraction, is_upper_bound)

    def run(self, params: Img2ImgParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.pixels import add_alpha, fit_within, flatten_alpha, resize, snap_size

        checkpoint = params.load_checkpoint(models, images)
        picture = images["url"] if params.resize_mode in ("fill", "latent") else params.resized(images["url"])
        rgb, alpha = flatten_alpha(picture)
        if params.is_described:
            description = yield from caption(models.get(DEFAULT_CAPTIONER_REF), rgb)
            params = params.model_copy(update={"text": params.prompt_with(description)})
        size: tuple[int, int] = params.wh if params.wh != PICTURE_SIZE else (rgb.shape[1], rgb.shape[0])
        painted = snap_size(*size, params.max_wh)
        source = params.latent_source(rgb)
        source = resize(rgb, *painted) if source is None else source
        generated = yield from generate_from_image(params, checkpoint, source, params.fidelity, size=painted)
        results = [resize(pixels, *fit_within(*size, params.max_wh)) for pixels in generated]
        if alpha is not None and params.keep_alpha:
            results = [add_alpha(pixels, alpha) for pixels in results]
        return TaskResult(results)
