from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from diffusers.image_processor import VaeImageProcessor

from models.diffusion import autoencoder
from models.finite import NotFiniteError
from models.loaded_model import LoadedModel
from tests.support.nets import autoencoder_of, spoil

FAMILIES = ["sd1", "sd2", "sdxl"]


@pytest.mark.parametrize("family", FAMILIES)
def test_encode_equals_diffusers(
    family: str, checkpoints: dict[str, LoadedModel], stock: dict[str, Any], draws: Callable[[int], Any]
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
def test_decode_equals_diffusers(family: str, checkpoints: dict[str, LoadedModel], stock: dict[str, Any]) -> None:
    latents, vae = torch.randn(2, 4, 8, 16), stock[family].vae
    expected = VaeImageProcessor().postprocess(vae.decode(latents / vae.config.scaling_factor).sample, output_type="np")
    images = checkpoints[family].decode(latents)
    assert [image.shape for image in images] == [(64, 128, 3)] * 2
    assert all(image.dtype == np.uint8 for image in images)
    difference = np.abs(np.stack(images) - (expected * 255).round())
    assert difference.max() <= 1
    assert difference.mean() < 0.001


def test_decode_splits_many_images(checkpoints: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch) -> None:
    latents = torch.randn(3, 4, 8, 8)
    whole = checkpoints["sd1"].decode(latents)
    monkeypatch.setattr(autoencoder, "PIXELS_AT_ONCE", 64 * 64)
    parts = checkpoints["sd1"].decode(latents)
    assert len(parts) == 3
    assert np.abs(np.stack(whole).astype(int) - np.stack(parts)).max() <= 1


def test_latents_are_normalised_per_channel(toys: Any, draws: Callable[[int], Any]) -> None:
    from models.diffusion.autoencoder import Autoencoder
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


def differing(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


@pytest.mark.parametrize("circular", [False, True])
def test_decode_tiles_large_images(
    checkpoints: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch, circular: bool
) -> None:
    """The result is close to that without tiles; with circular padding, at the left edge too."""
    latents = torch.randn(1, 4, 24, 40)
    (whole,) = checkpoints["sd1"].decode(latents, circular=circular)
    for name, value in {"TILED_ABOVE": 0, "TILE": 16, "MARGIN": 4}.items():
        monkeypatch.setattr(autoencoder, name, value)
    (tiled,) = checkpoints["sd1"].decode(latents, circular=circular)
    (other,) = checkpoints["sd1"].decode(torch.randn(1, 4, 24, 40), circular=circular)
    assert tiled.shape == whole.shape == (192, 320, 3)
    assert 0 < differing(tiled, whole) < 0.5 * differing(other, whole)
    edge = np.s_[:, :8]
    if circular:
        assert differing(tiled[edge], whole[edge]) < 0.5 * differing(other[edge], whole[edge])


def test_decode_tiles_what_does_not_fit_the_device(
    checkpoints: dict[str, LoadedModel], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    net, largest = autoencoder_of(checkpoints["sd1"]), 16 * 16
    decode = net.decode

    def narrow(raw: torch.Tensor) -> Any:
        if raw.shape[2] * raw.shape[3] > largest:
            raise torch.OutOfMemoryError("full")
        return decode(raw)

    monkeypatch.setattr(net, "decode", narrow)
    monkeypatch.setattr(autoencoder, "TILE", 16)
    monkeypatch.setattr(autoencoder, "MARGIN", 4)
    (image,) = checkpoints["sd1"].decode(torch.randn(1, 4, 24, 16))
    assert image.shape == (192, 128, 3)
    assert "does not fit" in caplog.text


def test_decode_retries_half_precision_overflow_in_single(toys: Any, caplog: pytest.LogCaptureFixture) -> None:
    from models.diffusion.autoencoder import Autoencoder
    from models.weights import open_weights

    half, single = (open_weights(toys.find("toy-sd1")).vae(torch.float16) for _ in range(2))
    for net in (half, single):
        weight = net.decoder.conv_in.weight.data
        weight.mul_(2e4 / float(weight.abs().max()))  # norms bring it down again, if it is finite
    latents = 20 * torch.randn(1, 4, 8, 8)
    (found,) = Autoencoder(half).decode(latents, circular=False)
    scale = half.config.scaling_factor
    assert found.std() > 0
    images = single.float().decode((latents / scale).float()).sample
    expected = ((images / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)[0].permute(1, 2, 0)
    assert np.array_equal(found, expected.numpy())
    assert half.dtype == torch.float16
    assert "overflows" in caplog.text


def test_encode_retries_half_precision_overflow_in_single(
    toys: Any, draws: Callable[[int], Any], caplog: pytest.LogCaptureFixture
) -> None:
    from models.diffusion.autoencoder import Autoencoder
    from models.weights import open_weights

    half, single = (open_weights(toys.find("toy-sd1")).vae(torch.float16) for _ in range(2))
    for net in (half, single):
        weight = net.encoder.conv_in.weight.data
        weight.mul_(6e4 / float(weight.abs().max()))
    pixels = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    found = Autoencoder(half).encode(pixels, draws(1), circular=False)
    expected = Autoencoder(single.float()).encode(pixels, draws(1), circular=False)
    torch.testing.assert_close(found, expected)
    assert half.dtype == torch.float16
    assert "the encoder overflows" in caplog.text


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_pictures_that_are_not_finite_are_refused(toys: Any, draws: Callable[[int], Any], dtype: torch.dtype) -> None:
    from models.diffusion.autoencoder import Autoencoder
    from models.weights import open_weights

    vae = open_weights(toys.find("toy-sd1")).vae(dtype)
    latents = torch.randn(1, 4, 8, 8)
    latents[0, 0, 0, 0] = float("nan")
    with pytest.raises(NotFiniteError, match="the denoiser returned NaN"):
        Autoencoder(vae).decode(latents, circular=False)
    spoil(vae.decoder)
    with pytest.raises(NotFiniteError, match=r"the decoder of the autoencoder \(VAE\), in single precision, returned"):
        Autoencoder(vae).decode(torch.randn(1, 4, 8, 8), circular=False)
    spoil(vae.encoder)
    with pytest.raises(NotFiniteError, match="the encoder of the autoencoder"):
        Autoencoder(vae).encode(np.zeros((64, 64, 3), np.uint8), draws(1), circular=False)
    assert vae.dtype == dtype
