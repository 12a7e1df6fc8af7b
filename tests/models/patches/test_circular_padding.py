from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from models.catalog.catalog import Catalog
from models.conditioning import Conditioning
from models.loaded_model import LoadedModel
from models.patches.circular_padding import CircularPadding, circular_padding
from models.patches.patch import PatchedRows
from models.registry import loaders

FAMILIES = ["sd1", "sdxl"]


def conditioning(toy: LoadedModel) -> Conditioning:
    return toy.encode_prompt("a red apple", None, clip_skip=-1, width=64, height=64)[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_decoding_rolled_latents_rolls_the_image(family: str, checkpoints: dict[str, LoadedModel]) -> None:
    toy, latents = checkpoints[family], torch.randn(1, 4, 8, 16)
    (image,) = toy.decode(latents, circular=True)
    (rolled,) = toy.decode(latents.roll((3, 5), dims=(2, 3)), circular=True)
    assert np.abs(np.roll(image, (24, 40), axis=(0, 1)).astype(int) - rolled).max() <= 1
    (seamed,) = toy.decode(latents.roll((3, 5), dims=(2, 3)))
    assert np.abs(np.roll(image, (24, 40), axis=(0, 1)).astype(int) - seamed).max() > 1


@pytest.mark.parametrize("family", FAMILIES)
def test_denoising_rolled_latents_rolls_the_output(family: str, checkpoints: dict[str, LoadedModel]) -> None:
    toy, latents, timesteps = checkpoints[family], torch.randn(1, 4, 16, 16), torch.tensor([400])
    text = conditioning(toy)
    plain = toy.predict(latents, timesteps, text, patches=[PatchedRows(CircularPadding())])
    rolled = toy.predict(latents.roll(8, dims=3), timesteps, text, patches=[PatchedRows(CircularPadding())])
    torch.testing.assert_close(plain.roll(8, dims=3), rolled, rtol=1e-4, atol=1e-4)


def test_encoding_a_rolled_image_rolls_the_latents(checkpoints: dict[str, LoadedModel]) -> None:
    class ZeroNoise:
        def gaussian(self, shape: Any) -> torch.Tensor:
            return torch.zeros(tuple(shape))

    toy = checkpoints["sd1"]
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    plain = toy.encode(pixels, ZeroNoise(), circular=True)
    rolled = toy.encode(np.roll(pixels, 16, axis=1), ZeroNoise(), circular=True)
    torch.testing.assert_close(plain.roll(2, dims=3), rolled, rtol=1e-4, atol=1e-4)


def test_circular_padding_restores_the_nets(toys: Catalog, draws: Callable[[int], Any]) -> None:
    toy, latents = loaders.load(toys.default, torch.device("cpu"), torch.float32), torch.randn(1, 4, 8, 8)
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    before = toy.decode(latents)[0], toy.encode(pixels, draws(1)).numpy()
    toy.decode(latents, circular=True)
    toy.encode(pixels, draws(1), circular=True)
    with pytest.raises(RuntimeError):
        toy.decode(torch.randn(1, 3, 8, 8), circular=True)
    after = toy.decode(latents)[0], toy.encode(pixels, draws(1)).numpy()
    assert all((one == other).all() for one, other in zip(before, after, strict=True))


def test_circular_padding_restores_modes_after_an_exception() -> None:
    net = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"))

    def interrupted() -> None:
        with circular_padding(net, True):
            assert [module.padding_mode for module in net] == ["circular", "circular"]
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert [module.padding_mode for module in net] == ["zeros", "reflect"]
