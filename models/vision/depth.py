"""Depth from one picture, by any depth estimator that transformers reads: Depth Anything, DPT (MiDaS), ZoeDepth…

Ranftl et al., "Vision Transformers for Dense Prediction", 2021; Yang et al., "Depth Anything V2", 2024.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoImageProcessor, AutoModelForDepthEstimation
from transformers.utils import logging as transformers_logging

METRIC = frozenset({"zoedepth", "glpn", "depth_pro", "prompt_depth_anything"})
"""Model types that tell distances, which grow away from the camera; the others tell their inverse."""
FLAT = 0.1
"""Share of the steepest slopes below which a normal points straight at the camera."""


class DepthNet(nn.Module):
    """A depth estimator and the preparation of pictures that its folder describes."""

    def __init__(self, model: nn.Module, processor: AutoImageProcessor, *, metric: bool) -> None:
        super().__init__()
        self._model = model
        self._processor = processor
        self._metric = metric

    def depth(self, pixels: np.ndarray) -> Tensor:
        """Nearness [h, w] in 0..1 on the CPU, at the net's own size, of uint8 RGB pixels [height, width, 3]."""
        device = next(self._model.parameters()).device
        given = self._processor(images=pixels, return_tensors="pt").to(device)
        found = self._model(**given).predicted_depth[0].float().cpu()
        near = -found if self._metric else found
        span = near.max() - near.min()
        return (near - near.min()) / span if span > 0 else torch.zeros_like(near)


def read_depth_net(folder: Path) -> DepthNet:
    """Of a transformers folder with its `config.json` and `preprocessor_config.json`."""
    transformers_logging.disable_progress_bar()
    model = AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    told = getattr(model.config, "depth_estimation_type", "relative")
    return DepthNet(model, processor, metric=told == "metric" or model.config.model_type in METRIC)


def depth_map(near: Tensor) -> np.ndarray:
    """What is near is bright: uint8 RGB [h, w, 3]."""
    return _rgb(near[:, :, None].expand(-1, -1, 3))


def normal_map(near: Tensor) -> np.ndarray:
    """The surface's direction at each pixel, from the slopes of its nearness: x red, y green, towards us blue."""
    down, across = torch.gradient(near)
    steepest = torch.maximum(across.abs().max(), down.abs().max()).clamp(min=1e-6)
    towards = torch.full_like(near, float(FLAT * steepest))
    normal = torch.stack([across, down, towards], dim=2)
    return _rgb((normal / normal.norm(dim=2, keepdim=True) + 1) / 2)


def _rgb(levels: Tensor) -> np.ndarray:
    pixels: np.ndarray = (levels * 255).round().to(torch.uint8).numpy()
    return pixels
