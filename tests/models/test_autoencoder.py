from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor

from models import autoencoder
from models.families import Resident

FAMILIES = ["sd1", "sd2", "sdxl"]


@pytest.mark.parametrize("family", FAMILIES)
def test_encoding_equals_the_reference(
    family: str, checkpoints: dict[str, Resident], stock: dict[str, Any], draws: Callable[[int], Any]
) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (64, 128, 3), dtype=np.uint8)
    vae = stock[family].vae
    image = VaeImageProcessor().preprocess(pixels[None].astype(np.float32) / 255)
    posterior = vae.encode(image).latent_dist
    expected = posterior.sample(torch.Generator().manual_seed(7)) * vae.config.scaling_factor
    ours = checkpoints[family].encode(pixels, draws(7))
    assert ours.shape == (1, 4, 8, 16)
    torch.testing.assert_close(ours, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("family", FAMILIES)
def test_decoding_equals_the_reference(family: str, checkpoints: dict[str, Resident], stock: dict[str, Any]) -> None:
    latents, vae = torch.randn(2, 4, 8, 16), stock[family].vae
    expected = VaeImageProcessor().postprocess(vae.decode(latents / vae.config.scaling_factor).sample, output_type="np")
    images = checkpoints[family].decode(latents)
    assert [image.shape for image in images] == [(64, 128, 3)] * 2
    assert all(image.dtype == np.uint8 for image in images)
    difference = np.abs(np.stack(images) - (expected * 255).round())
    assert difference.max() <= 1
    assert difference.mean() < 0.001


def test_many_images_are_decoded_in_parts(checkpoints: dict[str, Resident], monkeypatch: pytest.MonkeyPatch) -> None:
    latents = torch.randn(3, 4, 8, 8)
    whole = checkpoints["sd1"].decode(latents)
    monkeypatch.setattr(autoencoder, "PIXELS_AT_ONCE", 64 * 64)
    parts = checkpoints["sd1"].decode(latents)
    assert len(parts) == 3
    assert np.abs(np.stack(whole).astype(int) - np.stack(parts)).max() <= 1


def test_latents_may_have_a_mean_and_deviation_by_channel(toys: Any, draws: Callable[[int], Any]) -> None:
    from models.autoencoder import Autoencoder
    from models.weights import open_weights

    plain, shifted = (open_weights(toys.find("toy-sdxl")).vae(torch.float32) for _ in range(2))
    shifted.register_to_config(latents_mean=[1.0, 2.0, 3.0, 4.0], latents_std=[0.5, 1.0, 2.0, 4.0])
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    raw = Autoencoder(plain).encode(pixels, draws(1), circular=False)
    ours = Autoencoder(shifted).encode(pixels, draws(1), circular=False)
    scale = plain.config.scaling_factor
    expected = (raw / scale - torch.tensor([1.0, 2, 3, 4]).view(1, 4, 1, 1)) * scale
    expected = expected / torch.tensor([0.5, 1, 2, 4]).view(1, 4, 1, 1)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-4)
    (before,) = Autoencoder(plain).decode(raw, circular=False)
    (after,) = Autoencoder(shifted).decode(ours, circular=False)
    assert np.abs(before.astype(int) - after).max() <= 1
