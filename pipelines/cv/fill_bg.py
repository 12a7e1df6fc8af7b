"""Lay a picture on a plain background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipelines.params.image_operation import SourceImageParams
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np


Level = Annotated[int, Field(ge=0, le=255)]


class FillBgParams(SourceImageParams):
    bg: Level | tuple[Level, Level, Level] | None = Field(
        None,
        description="A grey level, or red, green and blue, 0 to 255 each. null: black, grey or white, whichever "
        "contrasts most with the opaque part.",
    )


class FillBg(ImageOperation[FillBgParams]):
    names = ("cv.fill_bg",)
    title = "Fill the background"
    Params = FillBgParams

    def apply(self, params: FillBgParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        from models.imaging.pixels import blend_over

        picture = images["url"]
        background = _contrasting_grey(picture) if params.bg is None else params.bg
        return TaskResult([blend_over(picture, (background,) * 3 if isinstance(background, int) else background)])


def _contrasting_grey(picture: np.ndarray) -> int:
    """Black for a bright picture, white for a dark one, grey for one that is nearly black or white or has both."""
    if picture.shape[2] == 3:
        return 255
    colours = picture[picture[:, :, 3] > 0][:, :3].astype("float32")
    if not len(colours):
        return 255
    lightness = (colours.max(axis=1) + colours.min(axis=1)) / 510
    mean = float(lightness.mean())
    mixed = 0.45 <= mean <= 0.55 and float(lightness.std()) >= 0.25
    if mixed or not 0.2 < mean < 0.8:
        return 127
    return 0 if mean >= 0.5 else 255
