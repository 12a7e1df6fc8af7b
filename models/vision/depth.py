"""Depth from one image, by any depth estimator that transformers reads: Depth Anything, DPT (MiDaS), ZoeDepth…

Ranftl et al., "Vision Transformers for Dense Prediction", 2021; Yang et al., "Depth Anything V2", 2024.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModelForDepthEstimation

from models.finite import require_finite
from models.loading.nets import read_transformers_net, refused_by_name

METRIC = frozenset({"zoedepth", "glpn", "depth_pro", "prompt_depth_anything"})
"""Model types that predict distances; the others predict their inverse, which grows towards the camera."""
UNUSED = r"neck\.fusion_stage\.layers\.0\.residual_layer1\."
"""The first fusion layer of DPT has nothing to add there; the published files of DPT lack these weights."""
FLAT = 0.1
"""The component of a normal towards the camera, as a fraction of the steepest slope: slopes below it look flat."""


class DepthNet(nn.Module):
    """A depth estimator and its image processor."""

    def __init__(self, model: nn.Module, processor: AutoImageProcessor, *, metric: bool) -> None:
        super().__init__()
        self._model = model
        self._processor = processor
        self._metric = metric

    def depth(self, pixels: np.ndarray) -> Tensor:
        """Nearness of uint8 RGB pixels [height, width, 3], in the net's own size: [h, w] in 0..1 on the CPU. Raises
        NotFiniteError."""
        device = next(self._model.parameters()).device
        planes = torch.from_numpy(pixels).permute(2, 0, 1)  # of rows, the processor takes up to 3 for channels
        inputs = self._processor(images=planes, return_tensors="pt").to(device)
        depth = self._model(**inputs).predicted_depth[0].float().cpu()
        require_finite("the depth estimator", depth)
        near = -depth if self._metric else depth
        span = near.max() - near.min()
        return (near - near.min()) / span if span > 0 else torch.zeros_like(near)


def read_depth_net(folder: Path) -> DepthNet:
    """Reads a transformers folder with its `config.json` and `preprocessor_config.json`. Raises WeightsError."""
    model = read_transformers_net(AutoModelForDepthEstimation, folder, torch.float32, unused=UNUSED)
    with refused_by_name(f"the image processor in {folder} cannot be read"):
        processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    estimation_type = getattr(model.config, "depth_estimation_type", "relative")
    return DepthNet(model, processor, metric=estimation_type == "metric" or model.config.model_type in METRIC)


def depth_map(near: Tensor) -> np.ndarray:
    """Nearness as brightness: uint8 RGB [h, w, 3]."""
    return _rgb(near[:, :, None].expand(-1, -1, 3))


def normal_map(near: Tensor) -> np.ndarray:
    """The normal of the surface at each pixel, from the slopes of its nearness: x red, y green, to the camera blue."""
    down, across = torch.gradient(near)
    steepest = torch.maximum(across.abs().max(), down.abs().max()).clamp(min=1e-6)
    towards = torch.full_like(near, float(FLAT * steepest))
    normal = torch.stack([across, down, towards], dim=2)
    return _rgb((normal / normal.norm(dim=2, keepdim=True) + 1) / 2)


def _rgb(levels: Tensor) -> np.ndarray:
    pixels: np.ndarray = (levels * 255).round().to(torch.uint8).numpy()
    return pixels
