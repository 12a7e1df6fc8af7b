from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch.nn.modules.module import register_module_forward_pre_hook

from models import toy
from models.loaded_model import LoadedModel

SHEET = Path(toy.__file__).with_name("sheet.png")
"""A picture of what the toys can paint."""


class Mean:
    """No noise: the mean of the posterior."""

    def gaussian(self, shape: Sequence[int]) -> torch.Tensor:
        return torch.zeros(tuple(shape))


def picture() -> np.ndarray:
    return np.asarray(Image.open(SHEET).convert("RGB"))[:384, :512]


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_preview_resembles_the_image(family: str, checkpoints: dict[str, LoadedModel]) -> None:
    checkpoint = checkpoints[family]
    coarse = torch.randn(1, 4, 4, 6, generator=torch.Generator().manual_seed(3))
    latents = F.interpolate(coarse, scale_factor=4)
    preview = checkpoint.preview(latents)
    assert preview.shape == (16, 24, 3)
    assert preview.dtype == np.uint8
    (image,) = checkpoint.decode(latents)
    small = image.reshape(16, 8, 24, 8, 3).mean(axis=(1, 3))
    assert np.corrcoef(preview.ravel(), small.ravel())[0, 1] > 0.6


@pytest.mark.parametrize(("family", "most"), [("sd1", 16), ("sd2", 29), ("sdxl", 29)])
def test_preview_has_the_colours_of_a_picture(family: str, most: float, checkpoints: dict[str, LoadedModel]) -> None:
    checkpoint = checkpoints[family]
    latents = checkpoint.encode(picture(), Mean())
    (image,) = checkpoint.decode(latents)
    small = image.reshape(48, 8, 64, 8, 3).mean(axis=(1, 3))
    assert np.abs(checkpoint.preview(latents) - small).mean() < most


def test_preview_is_fitted_once(checkpoints: dict[str, LoadedModel]) -> None:
    checkpoint = checkpoints["sd1"]
    checkpoint.preview(torch.zeros(1, 4, 2, 2))
    runs: list[object] = []
    hook = register_module_forward_pre_hook(lambda module, _: runs.append(module))
    checkpoint.adapted().preview(torch.zeros(1, 4, 2, 2))
    hook.remove()
    assert not runs


def test_preview_clips_colours(checkpoints: dict[str, LoadedModel]) -> None:
    bright = checkpoints["sd1"].preview(torch.full((1, 4, 2, 2), 1000.0))
    assert set(np.unique(bright)) <= {0, 255}
