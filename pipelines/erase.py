"""Erase what a mask covers and fill the hole from what is around it, without a prompt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Self

from pydantic import Field, model_validator

from pipelines.params import ImageParams, Unit
from pipelines.pipeline import Made, Models, Pipeline, Recipe, Work
from pipelines.references import ImageRef

if TYPE_CHECKING:
    import numpy as np

NO_BEARING = "Accepted as every task of this API does; LaMa has no use for it."


class EmptyMaskError(ValueError):
    """The mask covers nothing."""

    code = "bad_input"


class EraseParams(ImageParams):
    """What all diffusion tasks share is accepted and checked, but has no bearing: LaMa needs no prompt, seed, steps."""

    url: ImageRef
    mask_url: ImageRef = Field(
        description="What to erase: where it is not transparent or, if nothing of it is transparent, where it is "
        "white. A mask of another size is stretched to that of the picture."
    )
    model: str = Field(
        "lama", max_length=64, description="A model of family `lama` that GET /v1/models lists. `sd` is not offered."
    )
    use_refine: bool = Field(False, description="A second pass by Stable Diffusion; not offered.")
    use_pipeline: bool = Field(False, description="Erase and refine in one; not offered.")
    refine_fidelity: Unit = Field(0.2, description="Closeness of the second pass, which is not offered.")
    max_wh: int = Field(
        832,
        ge=64,
        le=2048,
        description="Longest side at which the hole is filled. The result has the size of the picture at any rate, "
        "and its very pixels outside the mask.",
    )
    text: str = Field("", max_length=20_000, description=NO_BEARING)
    version: str = Field("", max_length=64, description=NO_BEARING)
    num_samples: int = Field(1, ge=1, le=1, description="LaMa fills a hole in one way only.")

    @model_validator(mode="after")
    def _refuse_diffusion(self) -> Self:
        if self.model == "sd":
            raise ValueError("model 'sd' (a fill by diffusion) is not offered; leave it out, or say 'lama'")
        for name in ("use_refine", "use_pipeline"):
            if getattr(self, name):
                raise ValueError(
                    f"{name} (a second pass by Stable Diffusion) is not offered; leave it out, and refine the result "
                    "with img2img.sd if need be"
                )
        return self


class Erase(Pipeline[EraseParams]):
    names = ("img2img.inpainting",)
    title = "Erase"
    Params = EraseParams

    def needs(self, params: EraseParams) -> tuple[str, ...]:
        return (params.model,)

    def work(self, params: EraseParams) -> Work:
        return Work(pixels=params.max_wh**2, images=1, steps=1)

    def resolve(self, params: EraseParams) -> EraseParams:
        return params.with_seed()

    def run(self, params: EraseParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.pixels import flattened, resized

        eraser = models.eraser(params.model)
        picture, mask = images["url"], _mask(images["mask_url"], *images["url"].shape[:2])
        rgb, _ = flattened(picture)
        yield []
        small, hole = _shrunk(rgb, mask, params.max_wh)
        result = picture.copy()
        result[mask, :3] = resized(eraser.fill(small, hole), mask.shape[1], mask.shape[0])[mask]
        return Made([result])


def _mask(marks: np.ndarray, height: int, width: int) -> np.ndarray:
    """Where to erase, bool [height, width]. Raises EmptyMaskError."""
    import numpy as np
    from PIL import Image

    see_through = marks.shape[2] == 4 and bool((marks[:, :, 3] < 255).any())
    mask = marks[:, :, 3] > 0 if see_through else marks[:, :, :3].mean(axis=2) >= 128
    if mask.shape != (height, width):
        mask = np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
    if not mask.any():
        raise EmptyMaskError(
            "the mask covers nothing; make it opaque on a transparent ground, or white on black, where to erase"
        )
    return mask


def _shrunk(rgb: np.ndarray, mask: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Picture and mask with no side above `longest`; a pixel into which anything masked was averaged is masked."""
    from models.pixels import coverage, fitted

    height, width = mask.shape
    shrink = min(1.0, longest / max(width, height))
    size = max(round(width * shrink), 1), max(round(height * shrink), 1)
    return fitted(rgb, *size), coverage(mask, *size) > 0
