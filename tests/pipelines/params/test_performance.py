"""Performance options are off by default and reach the engine if they are set."""

from __future__ import annotations

from pathlib import Path

import diffusers
import pytest
from pydantic import ValidationError

from models.diffusion.checkpoint import Checkpoint
from pipelines.txt2img import Txt2Img, Txt2ImgParams
from tests.pipelines.conftest import Studio
from tests.support.diffusers_reference import DiffusersReference, max_difference


def test_performance_options_are_off_by_default(sd1: Checkpoint) -> None:
    params = Txt2ImgParams(text="a boat", seed=1)
    request = params.denoise_request(sd1, params.noises()[0], 64, 64)
    assert (request.guidance_interval, request.strict, request.deep_cache) == ((0.0, 1.0), False, 1)
    assert params.extra_models == ()


def test_performance_options_reach_the_engine(sd1: Checkpoint) -> None:
    params = Txt2ImgParams(text="a boat", seed=1, guidance_interval=(0.1, 0.8), determinism="strict", deep_cache=3)
    request = params.denoise_request(sd1, params.noises()[0], 64, 64)
    assert (request.guidance_interval, request.strict, request.deep_cache) == ((0.1, 0.8), True, 3)


def test_deep_cache_with_style_is_refused() -> None:
    with pytest.raises(ValidationError, match="use only one of deep_cache and style_reference"):
        Txt2ImgParams(text="a boat", deep_cache=2, style_reference={"url": "http://example.com/a.png"})


def test_empty_guidance_interval_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"begin below end, or set guidance_scale to 1"):
        Txt2ImgParams(text="a boat", guidance_interval=(0.5, 0.5))


@pytest.mark.parametrize("model", ["toy-sd1", "toy-sdxl"])
def test_vae_equals_diffusers(model: str, studio: Studio, models_dir: Path) -> None:
    """Whatever scale its own config has: the latents are those of the checkpoint."""
    stock = {"toy-sd1": diffusers.StableDiffusionPipeline, "toy-sdxl": diffusers.StableDiffusionXLPipeline}[model]
    own = diffusers.AutoencoderKL.from_pretrained(models_dir / model / "vae", local_files_only=True)
    vae = diffusers.AutoencoderKL.from_pretrained(models_dir / "toy-sd2" / "vae", local_files_only=True)
    vae.register_to_config(scaling_factor=own.config.scaling_factor)
    params = Txt2ImgParams(text="a boat", model=model, seed=1, num_steps=2, w=64, h=64)
    decoded = studio.image(Txt2Img(), params.model_copy(update={"vae": "toy-vae"}), {})
    expected = DiffusersReference(stock, models_dir / model, vae=vae).image(params, width=64, height=64)
    assert max_difference(decoded, expected) <= 1
    assert max_difference(decoded, studio.image(Txt2Img(), params, {})) > 1


def test_tiny_decoder_equals_diffusers(studio: Studio, models_dir: Path) -> None:
    tiny = diffusers.AutoencoderTiny.from_pretrained(models_dir / "toy-taesd", local_files_only=True)
    stock = DiffusersReference(diffusers.StableDiffusionPipeline, models_dir / "toy-sd1", vae=tiny)
    params = Txt2ImgParams(text="a boat", model="toy-sd1", seed=1, num_steps=4, w=64, h=128)
    request = params.model_copy(update={"decoder": "tiny"})
    decoded = studio.image(Txt2Img(), request, {})
    assert max_difference(decoded, stock.image(params, width=64, height=128)) <= 1
    assert max_difference(decoded, studio.image(Txt2Img(), params, {})) > 1
