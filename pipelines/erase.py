"""Erase what a mask covers and fill the hole from its surroundings, with LaMa, Stable Diffusion, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from models.kinds.eraser import ERASER
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.image import ImageParams
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import Fraction
from pipelines.params.prompts import Prompt
from pipelines.pipeline import Models, Recipe, TaskResult, Work
from pipelines.recipes.image_generation import ImageGeneration
from pipelines.recipes.masked_generation import MaskedGenerationParams, generate_masked

if TYPE_CHECKING:
    import numpy as np

    from models.vision.eraser import Eraser

DIFFUSION = "sd"
"""The value of `model` that fills the hole with Stable Diffusion."""
MASK_THRESHOLD = 127
"""The mask level, 0 to 255, above which a pixel is erased."""


class EraseParams(ImageParams):
    """The parameters of all diffusion tasks have an effect if Stable Diffusion takes part; LaMa ignores them."""

    url: ImageRef
    mask_url: ImageRef = Field(
        description="The mask of what to erase. If it has transparent pixels: all pixels that are not fully "
        "transparent. Otherwise: the white pixels. A mask of another size is stretched to the size of the picture."
    )
    model: str = Field(
        "lama",
        max_length=64,
        description="What fills the hole: a model of family `lama` that GET /v1/models lists, or `sd` for the Stable "
        "Diffusion model that `version` names.",
    )
    version: str = Field(
        "", max_length=64, description="The model for `sd` and for refining. Empty: the server's default model."
    )
    use_refine: bool = Field(False, description="Refine what was filled with Stable Diffusion.")
    use_pipeline: bool = Field(False, description="The same as use_refine.")
    refine_fidelity: Fraction = Field(0.2, lt=1, description="How closely the refining follows what was filled.")
    max_wh: int = Field(
        832,
        ge=64,
        le=2048,
        description="Longest side, in pixels, at which the hole is filled. The result always has the size of the "
        "picture, and its unchanged pixels outside the mask.",
    )
    text: Prompt = Field("", max_length=20_000, description="A prompt for Stable Diffusion. Usually empty.")
    num_samples: int = Field(1, ge=1, le=1, description="Always 1.")

    @property
    def eraser(self) -> str | None:
        """The name of the model of family `lama`; None if Stable Diffusion fills the hole."""
        return None if self.model == DIFFUSION else self.model

    @property
    def diffusion_params(self) -> MaskedGenerationParams | None:
        """The parameters for Stable Diffusion; None if it takes no part."""
        refines = self.use_refine or self.use_pipeline
        if self.eraser is not None and not refines:
            return None
        shared = self.model_dump(include=ImageParams.model_fields.keys() - {"model"})
        return MaskedGenerationParams(
            **shared,
            model=self.version,
            fidelity=0.0 if self.eraser is None else self.refine_fidelity,
            keep_original=True,
            keep_original_num_fade_pixels=None,
        )


class Erase(ImageGeneration[EraseParams]):
    names = ("img2img.inpainting",)
    title = "Erase"
    Params = EraseParams
    families = frozenset({"lama"})

    def needs(self, params: EraseParams) -> tuple[AnyModelRef, ...]:
        diffusion = params.diffusion_params
        refs: tuple[AnyModelRef, ...] = (diffusion.checkpoint_ref, *diffusion.extra_models) if diffusion else ()
        return refs if params.eraser is None else (ModelRef(ERASER, params.eraser), *refs)

    def has_mask(self, params: EraseParams) -> bool:
        return True

    def work(self, params: EraseParams) -> Work:
        if params.diffusion_params is not None:
            return params.diffusion_params.generation_work
        return Work(params.max_wh**2, images=1, steps=1, is_upper_bound=True)

    def run(self, params: EraseParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.masks import binarize, mask_levels, resize_mask

        picture = images["url"]
        mask = binarize(mask_levels(images["mask_url"]), MASK_THRESHOLD)
        mask = resize_mask(mask, picture.shape[1], picture.shape[0])
        yield []
        if params.eraser is not None:
            picture = _filled(models.get(ModelRef(ERASER, params.eraser)), picture, mask, params.max_wh)
        diffusion = params.diffusion_params
        if diffusion is None:
            return TaskResult([picture])
        checkpoint = diffusion.load_checkpoint(models, images)
        return TaskResult((yield from generate_masked(diffusion, checkpoint, picture, mask)))


def _filled(eraser: Eraser, picture: np.ndarray, mask: np.ndarray, longest: int) -> np.ndarray:
    """The picture, uint8 [height, width, 3 or 4], with the masked part filled at a size of no side above `longest`."""
    from models.imaging.pixels import flatten_alpha, resize

    rgb, _ = flatten_alpha(picture)
    small, small_mask = _shrunk(rgb, mask, longest)
    result = picture.copy()
    result[mask, :3] = resize(eraser.fill(small, small_mask), mask.shape[1], mask.shape[0])[mask]
    return result


def _shrunk(rgb: np.ndarray, mask: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Picture and mask with no side above `longest`. A pixel is masked if any pixel averaged into it was masked."""
    from models.imaging.pixels import area_coverage, fit_within, resize_area

    size = fit_within(mask.shape[1], mask.shape[0], longest)
    return resize_area(rgb, *size), area_coverage(mask, *size) > 0
