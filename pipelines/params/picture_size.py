"""The size that a picture is brought to before it is repainted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from pipelines.params.image import ImageParams
from pipelines.params.limits import LONGEST_SIDE

if TYPE_CHECKING:
    import numpy as np

    from models.imaging.resize_modes import ResizeMode

PICTURE_SIZE = (0, 0)
"""The value of `wh` that stands for the size of the picture."""
LONGEST_ENCODED = 2048
"""Longest side, in pixels, of a picture whose latents are resized: an encoder needs kilobytes for each pixel."""


class PictureSizeParams(ImageParams):
    """Parameters of a task that repaints a picture at a size of its own."""

    wh: tuple[int, int] = Field(
        PICTURE_SIZE,
        description="Width and height to resize the picture to first, up to max_wh. 0, 0: keep its size.",
    )
    resize_mode: Literal["fill", "cover", "pad", "latent"] = Field(
        "fill",
        description="How the picture gets the shape of `wh`. `fill` stretches it. `cover` crops what is too much. "
        "`pad` repeats the pixels of its edges around it. `latent` encodes it at its own size, up to "
        f"{LONGEST_ENCODED} pixels a side, and stretches the latents.",
    )

    noise_multiplier: float = Field(
        1.0,
        ge=0,
        le=1.5,
        description="Multiplies the noise that is added to the picture: less than 1 for smoother images, more for more "
        "detail.",
    )

    @model_validator(mode="after")
    def _check_picture_size(self) -> Self:
        if self.wh != PICTURE_SIZE and not all(1 <= side <= LONGEST_SIDE for side in self.wh):
            raise ValueError(
                f"wh {self.wh} must be two sides from 1 to {LONGEST_SIDE}, or [0, 0] to keep the size of the picture"
            )
        return self

    @property
    def start_noise(self) -> float:
        return self.noise_multiplier

    @property
    def resizes_latents(self) -> bool:
        """Whether the picture is encoded at its own size, and its latents are resized."""
        return self.resize_mode == "latent" and self.wh != PICTURE_SIZE

    def resized(self, pixels: np.ndarray) -> np.ndarray:
        """A picture, uint8 [h, w, channels], in the size of `wh`, if that is set."""
        from models.imaging.pixels import fit_within
        from models.imaging.resize_modes import resize_to

        if self.wh == PICTURE_SIZE:
            return pixels
        return resize_to(pixels, *fit_within(*self.wh, self.max_wh), self.mode_of_pixels)

    def latent_source(self, pixels: np.ndarray) -> np.ndarray | None:
        """The picture, RGB and as near to its own size as it can be encoded, if its latents are resized."""
        from models.imaging.pixels import flatten_alpha, resize, snap_size

        if not self.resizes_latents:
            return None
        return resize(flatten_alpha(pixels)[0], *snap_size(pixels.shape[1], pixels.shape[0], LONGEST_ENCODED))

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
        return binarize(resize_to(levels, *size, self.mode_of_pixels, Image.Resampling.BOX), threshold=0)

    @property
    def mode_of_pixels(self) -> ResizeMode:
        """How everything is resized that is no latents."""
        return "fill" if self.resize_mode == "latent" else self.resize_mode
