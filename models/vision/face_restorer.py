"""Face restorers: nets that repair the crop of one face, such as GFPGAN and RestoreFormer.

Wang et al., "Towards Real-World Blind Face Restoration with Generative Facial Prior", 2021. Wang et al.,
"RestoreFormer: High-Quality Blind Face Restoration from Undegraded Key-Value Pairs", 2022.
"""

from __future__ import annotations

import numpy as np
import torch
from spandrel import ImageModelDescriptor
from torch import Tensor

from models.catalog.entry import ModelEntry
from models.vision.spandrel_net import NetError, SpandrelNet, read_net, to_uint8

PURPOSE = "FaceSR"
"""What spandrel says that these nets are for."""
GFPGAN = "GFPGAN"


class FaceRestorer(SpandrelNet):
    """A net that repairs a square crop of a face."""

    @torch.inference_mode()
    def restore(self, crop: np.ndarray) -> np.ndarray:
        """uint8 RGB pixels [512, 512, 3], as they are, but with the face repaired. Raises NotFiniteError."""
        # GFPGAN takes no planes whose memory is in the order of pixels.
        planes = self._as_input(torch.from_numpy(crop.copy())[None]).contiguous()
        restored: np.ndarray = to_uint8(self._run(planes).clamp(0, 1))[0].numpy()
        return restored

    def _call(self, *inputs: Tensor) -> Tensor:
        if self._net.architecture.id != GFPGAN:
            return super()._call(*inputs)
        # spandrel passes on the pixels as they are and draws noise; GFPGAN was trained on -1..1, and a task must have
        # the same result each time.
        restored: Tensor = self._net.model(inputs[0] * 2 - 1, return_rgb=False, randomize_noise=False)[0]
        return (restored + 1) / 2


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> FaceRestorer:
    """Raises NetError for a file that is not a net which restores faces."""
    net = read_net(entry)
    if not isinstance(net, ImageModelDescriptor) or net.purpose != PURPOSE:
        raise NetError(
            f"{entry.path.name} is a net of {net.architecture.name} for {net.purpose}, not one that restores faces; "
            "give GFPGAN or RestoreFormer, or correct its family"
        )
    restorer = FaceRestorer(entry, net, dtype)
    restorer.to(device)
    return restorer
