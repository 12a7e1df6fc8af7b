"""Lay a picture on a plain ground."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation, SourceImageParams

if TYPE_CHECKING:
    import numpy as np


Level = Annotated[int, Field(ge=0, le=255)]


class FillBgParams(SourceImageParams):
    bg: Level | tuple[Level, Level, Level] | None = Field(
        None, description="A grey, or red, green and blue; null: the grey that what is opaque stands out from."
    )


class FillBg(ImageOperation[FillBgParams]):
    names = ("cv.fill_bg",)
    title = "Fill the ground"
    Params = FillBgParams

    def made(self, params: FillBgParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        from models.imaging.pixels import over

        picture = images["url"]
        ground = _contrast(picture) if params.bg is None else params.bg
        return TaskResult([over(picture, (ground, ground, ground) if isinstance(ground, int) else ground)])


def _contrast(picture: np.ndarray) -> int:
    """Black under what is bright, white under what is dark, and grey under what is nearly black or white or both."""
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
