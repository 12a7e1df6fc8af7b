"""Lay pictures out as one sheet."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

from pydantic import Field, StringConstraints

from pipelines.params.image_operation import ImageOperationParams
from pipelines.params.image_refs import ImageRef
from pipelines.params.limits import LONGEST_SIDE, TooLargeError
from pipelines.pipeline import TaskResult
from pipelines.recipes.image_operation import ImageOperation

if TYPE_CHECKING:
    import numpy as np

MAX_PICTURES = 16
Colour = Annotated[str, StringConstraints(pattern=r"^#[0-9a-fA-F]{6}$")]


class GridParams(ImageOperationParams):
    urls: tuple[ImageRef, ...] = Field(
        min_length=1,
        max_length=MAX_PICTURES,
        fail_fast=True,
        description="The pictures, row by row. Smaller ones stand in the middle of a cell, which is as large as the "
        "largest of them.",
    )
    columns: int = Field(0, ge=0, le=MAX_PICTURES, description="Pictures in a row. 0: as square as possible.")
    gap: int = Field(0, ge=0, le=256, description="Pixels between the pictures.")
    background: Colour | None = Field(None, description="What is around the pictures, #rrggbb. null: transparent.")

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        columns = self.columns or math.ceil(math.sqrt(len(self.urls)))
        return math.ceil(len(self.urls) / columns), columns


class Grid(ImageOperation[GridParams]):
    names = ("pipeline.grid",)
    title = "Sheet of pictures"
    Params = GridParams

    def apply(self, params: GridParams, images: Mapping[str, np.ndarray]) -> TaskResult:
        import numpy as np
        from PIL import ImageColor

        from models.imaging.pixels import blend_over, to_rgba

        pictures = [to_rgba(images[f"urls.{index}"]) for index in range(len(params.urls))]
        rows, columns = params.shape
        cell_height, cell_width = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
        height, width = (
            cells * length + (cells - 1) * params.gap for cells, length in ((rows, cell_height), (columns, cell_width))
        )
        if max(height, width) > LONGEST_SIDE:
            raise TooLargeError(
                f"the sheet would have {width}×{height} pixels, and a side may have {LONGEST_SIDE}; send fewer or "
                "smaller pictures"
            )
        sheet = np.zeros((height, width, 4), np.uint8)
        for index, picture in enumerate(pictures):
            row, column = divmod(index, columns)
            own_height, own_width = picture.shape[:2]
            top = row * (cell_height + params.gap) + (cell_height - own_height) // 2
            left = column * (cell_width + params.gap) + (cell_width - own_width) // 2
            sheet[top : top + own_height, left : left + own_width] = picture
        if params.background is not None:
            sheet = blend_over(sheet, ImageColor.getrgb(params.background)[:3])
        is_opaque = sheet.shape[2] == 4 and (sheet[:, :, 3] == 255).all()
        return TaskResult([sheet[:, :, :3] if is_opaque else sheet])
