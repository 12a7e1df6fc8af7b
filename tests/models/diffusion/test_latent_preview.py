import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.loaded_model import LoadedModel


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_preview_resembles_the_image(family: str, checkpoints: dict[str, LoadedModel]) -> None:
    toy = checkpoints[family]
    coarse = torch.randn(1, 4, 4, 6, generator=torch.Generator().manual_seed(3))
    latents = F.interpolate(coarse, scale_factor=4)
    preview = toy.preview(latents)
    assert preview.shape == (16, 24, 3)
    assert preview.dtype == np.uint8
    (image,) = toy.decode(latents)
    small = image.reshape(16, 8, 24, 8, 3).mean(axis=(1, 3))
    assert np.corrcoef(preview.ravel(), small.ravel())[0, 1] > 0.6


def test_preview_clips_colours(checkpoints: dict[str, LoadedModel]) -> None:
    bright = checkpoints["sd1"].preview(torch.full((1, 4, 2, 2), 1000.0))
    assert set(np.unique(bright)) <= {0, 255}
