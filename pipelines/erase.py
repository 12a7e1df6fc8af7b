"""Erase what a mask covers and fill the hole from what is around it, by LaMa or by Stable Diffusion, or both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from models.kinds.eraser import ERASER
from models.kinds.kind import AnyModelRef, ModelRef
from pipelines.params.image import ImageParams, Unit
from pipelines.params.image_refs import ImageRef
from pipelines.pipeline import Models, Pipeline, Recipe, TaskResult, Work
from pipelines.recipes.masked_generation import PaintParams, paint

if TYPE_CHECKING:
    import numpy as np

    from models.vision.eraser import Eraser

DIFFUSION = "sd"
"""The `model` that stands for a fill by diffusion."""
MARKED = 127
"""The mark, 0 to 255, above which a pixel of the mask is erased."""


class EraseParams(ImageParams):
    """What all diffusion tasks share has a bearing where Stable Diffusion takes part; LaMa knows nothing of it."""

    url: ImageRef
    mask_url: ImageRef = Field(
        description="What to erase: where it is not transparent or, if nothing of it is transparent, where it is "
        "white. A mask of another size is stretched to that of the picture."
    )
    model: str = Field(
        "lama",
        max_length=64,
        description="What fills the hole: a model of family `lama` that GET /v1/models lists, or `sd`: the Stable "
        "Diffusion model that `version` names.",
    )
    version: str = Field(
        "", max_length=64, description="The model for `sd` and for the refining; empty: the server's default."
    )
    use_refine: bool = Field(False, description="Have Stable Diffusion go over what was filled.")
    use_pipeline: bool = Field(False, description="The same as use_refine.")
    refine_fidelity: Unit = Field(0.2, lt=1, description="How closely the refining follows what was filled.")
    max_wh: int = Field(
        832,
        ge=64,
        le=2048,
        description="Longest side at which the hole is filled. The result has the size of the picture at any rate, "
        "and its very pixels outside the mask.",
    )
    text: str = Field("", max_length=20_000, description="What Stable Diffusion may be told; nothing is usual.")
    num_samples: int = Field(1, ge=1, le=1, description="A hole is filled in one way only.")

    @property
    def eraser(self) -> str | None:
        """The model of family `lama` that is needed, if any."""
        return None if self.model == DIFFUSION else self.model

    @property
    def painting(self) -> PaintParams | None:
        """How Stable Diffusion paints, if it does."""
        refines = self.use_refine or self.use_pipeline
        if self.eraser is not None and not refines:
            return None
        shared = self.model_dump(include=ImageParams.model_fields.keys() - {"model"})
        return PaintParams(
            **shared,
            model=self.version,
            fidelity=0.0 if self.eraser is None else self.refine_fidelity,
            keep_original=True,
            keep_original_num_fade_pixels=None,
        )


class Erase(Pipeline[EraseParams]):
    names = ("img2img.inpainting",)
    title = "Erase"
    Params = EraseParams
    families = frozenset({"lama"})

    def needs(self, params: EraseParams) -> tuple[AnyModelRef, ...]:
        painting = params.painting
        painters = (painting.checkpoint_ref, *painting.extra_models) if painting else ()
        return painters if params.eraser is None else (ModelRef(ERASER, params.eraser), *painters)

    def work(self, params: EraseParams) -> Work:
        return params.painting.painting if params.painting else Work(params.max_wh**2, images=1, steps=1, bound=True)

    def resolve(self, params: EraseParams) -> EraseParams:
        return params.with_seed()

    def run(self, params: EraseParams, models: Models, images: Mapping[str, np.ndarray]) -> Recipe:
        from models.imaging.masks import binary, fitted, marked

        picture = images["url"]
        mask = fitted(binary(marked(images["mask_url"]), MARKED), picture.shape[1], picture.shape[0])
        yield []
        if params.eraser is not None:
            picture = _filled(models.get(ModelRef(ERASER, params.eraser)), picture, mask, params.max_wh)
        if (painting := params.painting) is None:
            return TaskResult([picture])
        checkpoint = painting.load_checkpoint(models, images)
        return TaskResult((yield from paint(painting, checkpoint, picture, mask)))


def _filled(eraser: Eraser, picture: np.ndarray, mask: np.ndarray, longest: int) -> np.ndarray:
    """The picture, [height, width, 3 or 4], with what is masked filled at a size of no side above `longest`."""
    from models.imaging.pixels import flattened, resized

    rgb, _ = flattened(picture)
    small, hole = _shrunk(rgb, mask, longest)
    result = picture.copy()
    result[mask, :3] = resized(eraser.fill(small, hole), mask.shape[1], mask.shape[0])[mask]
    return result


def _shrunk(rgb: np.ndarray, mask: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Picture and mask with no side above `longest`; a pixel into which anything masked was averaged is masked."""
    from models.imaging.pixels import coverage, fitted, within

    size = within(mask.shape[1], mask.shape[0], longest)
    return fitted(rgb, *size), coverage(mask, *size) > 0
