"""The size that a picture is brought to before it is repainted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from pipelines.params.image import ImageParams
from pipelines.params.limits import LONGEST_SIDE

if TYPE_CHECKING:
    import numpy as np

PICTURE_SIZE = (0, 0)
"""The value of `wh` that stands for the size of the picture."""


class PictureSizeParams(ImageParams):
    """Parameters of a task that repaints a picture at a size of its own."""

    wh: tuple[int, int] = Field(
        PICTURE_SIZE,
        description="Width and height to resize the picture to first, up to max_wh. 0, 0: keep its size.",
    )
    resize_mode: Literal["fill", "cover", "pad"] = Field(
        "fill",
        description="How the picture gets the shape of `wh`. `fill` stretches it. `cover` crops what is too much. "
        "`pad` repeats the pixels of its edges around it.",
    )

    @model_validator(mode="after")
    def _check_picture_size(self) -> Self:
        if self.wh != PICTURE_SIZE and not all(1 <= side <= LONGEST_SIDE for side in self.wh):
            raise ValueError(
                f"wh {self.wh} must be two sides from 1 to {LONGEST_SIDE}, or [0, 0] to keep the size of the picture"
            )
        return self

    def resized(self, pixels: np.ndarray) -> np.ndarray:
        """A picture, uint8 [h, w, channels], in the size of `wh`, if that is set."""
        from models.imaging.pixels import fit_within
        from models.imaging.resize_modes import resize_to

        if self.wh == PICTURE_SIZE:
            return pixels
        return resize_to(pixels, *fit_within(*self.wh, self.max_wh), self.resize_mode)

    def resized_mask(self, mask: np.ndarray) -> np.ndarray:
        """The mask of that picture, bool [h, w], in its new size. Raises EmptyMaskError if nothing of it is left."""
        import numpy as np
        from PIL import Image

        from models.imaging.masks import binarize
        from models.imaging.pixels import fit_within
        from models.imaging.resize_modes import resize_to

        if self.wh == PICTURE_SIZE:
            return mask
        levels = mask.astype(np.uint8) * 255
        size = fit_within(*self.wh, self.max_wh)
        # A reduced pixel is masked if any of its area is: thin lines must not get lost.
        return binarize(resize_to(levels, *size, self.resize_mode, Image.Resampling.BOX), threshold=0)
