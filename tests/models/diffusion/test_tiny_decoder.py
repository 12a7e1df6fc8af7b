from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny
from diffusers.image_processor import VaeImageProcessor

from models.catalog.catalog import Catalog, UnknownModelError
from models.catalog.entry import ModelEntry
from models.diffusion import tiny_decoder
from models.diffusion.autoencoder import Autoencoder
from models.diffusion.tiny_decoder import TinyDecoder
from models.files.weights_error import WeightsError
from models.kinds.kind import ModelRef
from models.kinds.vae import TINY_DECODER
from models.toy.drawing import draw
from models.toy.world import scene_of
from models.weights import open_weights

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def tiny(toys: Catalog) -> TinyDecoder:
    return tiny_decoder.load(toys.find("toy-taesd"), CPU, torch.float32)


def test_tiny_decoder_equals_diffusers(tiny: TinyDecoder, toys: Catalog) -> None:
    stock = AutoencoderTiny.from_pretrained(toys.find("toy-taesd").path, local_files_only=True)
    latents = torch.randn(2, 4, 8, 16)
    expected = VaeImageProcessor().postprocess(stock.decode(latents).sample, output_type="np")
    images = tiny.decode(latents)
    assert [image.shape for image in images] == [(64, 128, 3)] * 2
    difference = np.abs(np.stack(images) - (expected * 255).round())
    assert difference.max() <= 1
    assert difference.mean() < 0.001


def test_tiny_decoder_is_close_to_the_full_decoder(tiny: TinyDecoder, toys: Catalog) -> None:
    random = Random(7)
    pixels = [np.asarray(draw(scene_of(random), 128)) for _ in range(4)]
    whole = Autoencoder(open_weights(toys.find("toy-sd1")).vae(torch.float32))
    latents = torch.cat([whole.encode(each, ZeroNoise(), circular=False) for each in pixels])
    one, other = np.stack(tiny.decode(latents)).astype(float), np.stack(whole.decode(latents, circular=False))
    assert 10 * np.log10(255**2 / np.square(one - other).mean()) > 20


def test_tiny_decoder_decodes_circular_images(tiny: TinyDecoder) -> None:
    latents = torch.randn(1, 4, 8, 8)
    (image,), (turned,) = (tiny.decode(each, circular=True) for each in (latents, latents.roll(4, -1)))
    assert np.abs(np.roll(image, 32, axis=1).astype(int) - turned).max() <= 1


def test_tiny_decoder_is_found_by_family(toys: Catalog) -> None:
    assert (
        toys.find(ModelRef(TINY_DECODER, base="v1.5")).name
        == toys.find(ModelRef(TINY_DECODER, base="toy-sd1-inpainting")).name
        == "toy-taesd"
    )
    with pytest.raises(UnknownModelError, match=r"no tiny decoder for 'toy-sdxl'.*`for: sdxl`"):
        toys.find(ModelRef(TINY_DECODER, base="toy-sdxl"))


@pytest.mark.parametrize(
    "config", [{"_class_name": "AutoencoderKL"}, {"_class_name": "AutoencoderTiny", "latent_channels": 16}]
)
def test_decoder_of_other_latents_is_refused(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    entry = ModelEntry(name="x", path=tmp_path, family="decoder", base="sd1")
    with pytest.raises(WeightsError, match="use TAESD for sd1"):
        tiny_decoder.load(entry, CPU, torch.float32)


class ZeroNoise:
    def gaussian(self, shape: Any) -> torch.Tensor:
        return torch.zeros(tuple(shape))
