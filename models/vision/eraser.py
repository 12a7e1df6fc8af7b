"""Filling holes in pictures without a prompt: LaMa.

Suvorov et al., "Resolution-robust Large Mask Inpainting with Fourier Convolutions", 2022.
"""

from __future__ import annotations

import numpy as np
import torch

from models.catalog.entry import ModelEntry
from models.vision.lama import read_lama
from models.vision.spandrel_net import SpandrelNet, read_net, to_uint8


class Eraser(SpandrelNet):
    """A net that fills what is masked from what is around it."""

    @torch.inference_mode()
    def fill(self, pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """uint8 RGB pixels [height, width, 3] with what is True in the mask [height, width] painted over."""
        picture = self._given(torch.from_numpy(pixels)[None])
        hole = torch.from_numpy(mask)[None, None].to(self.device, self.dtype)
        filled: np.ndarray = to_uint8(self._net(picture, hole))[0].numpy()
        return filled


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Eraser:
    """Raises NetError for a file that holds no LaMa."""
    eraser = Eraser(entry, read_net(entry, read_lama), dtype)
    eraser.to(device)
    return eraser
