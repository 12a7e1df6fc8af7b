"""Erasers fill a masked area from its surroundings, without a prompt: LaMa.

Suvorov et al., "Resolution-robust Large Mask Inpainting with Fourier Convolutions", 2022.
"""

from __future__ import annotations

import numpy as np
import torch

from models.catalog.entry import ModelEntry
from models.vision.lama import read_lama
from models.vision.spandrel_net import SpandrelNet, read_net, to_uint8


class Eraser(SpandrelNet):
    """A net that fills the masked area of an image from its surroundings."""

    @torch.inference_mode()
    def fill(self, pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Fills uint8 RGB pixels [height, width, 3] where the mask, bool [height, width], is True."""
        image = self._as_input(torch.from_numpy(pixels)[None])
        mask_input = torch.from_numpy(mask)[None, None].to(self.device, self.dtype)
        filled: np.ndarray = to_uint8(self._run(image, mask_input))[0].numpy()
        return filled


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Eraser:
    """Raises NetError for a file that is not a LaMa."""
    eraser = Eraser(entry, read_net(entry, read_lama), dtype)
    eraser.to(device)
    return eraser
