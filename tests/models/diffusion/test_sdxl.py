from typing import Any

import pytest
import torch

from models.loaded_model import LoadedModel
from tests.support.nets import autoencoder_of


@pytest.mark.parametrize("clip_skip", [0, 1])
@pytest.mark.parametrize("prompt", ["a photo of a red apple", "", "一只猫, a cat's hat"])
def test_encode_prompt_equals_diffusers(
    prompt: str, clip_skip: int, checkpoints: dict[str, LoadedModel], stock: dict[str, Any]
) -> None:
    expected = stock["sdxl"].encode_prompt(prompt, negative_prompt="blurry", clip_skip=clip_skip)
    positive, negative = checkpoints["sdxl"].encode_prompt(prompt, "blurry", clip_skip=clip_skip, width=128, height=64)
    assert negative is not None
    ours = (positive.embeds, negative.embeds, positive.extras["text_embeds"], negative.extras["text_embeds"])
    for tensor, reference in zip(ours, expected, strict=True):
        assert torch.equal(tensor, reference)


def test_size_conditioning_is_height_first(checkpoints: dict[str, LoadedModel]) -> None:
    positive, _ = checkpoints["sdxl"].encode_prompt("a cat", None, clip_skip=-1, width=128, height=64)
    assert positive.extras["time_ids"].tolist() == [[64, 128, 0, 0, 64, 128]]


def test_long_prompts_are_pooled_from_their_first_chunk(checkpoints: dict[str, LoadedModel]) -> None:
    options = {"clip_skip": -1, "width": 64, "height": 64}
    first, _ = checkpoints["sdxl"].encode_prompt("a cat", None, **options)
    both, negative = checkpoints["sdxl"].encode_prompt("a cat BREAK a dog", "blurry", **options)
    assert negative is not None
    assert both.embeds.shape == negative.embeds.shape == (1, 154, 96)
    torch.testing.assert_close(both.extras["text_embeds"], first.extras["text_embeds"])


def test_predict_equals_diffusers(checkpoints: dict[str, LoadedModel], stock: dict[str, Any]) -> None:
    latents, timesteps = torch.randn(1, 4, 8, 8), torch.tensor([500])
    conditioning, _ = checkpoints["sdxl"].encode_prompt("a cat", None, clip_skip=-1, width=64, height=64)
    expected = (
        stock["sdxl"].unet(latents, timesteps, conditioning.embeds, added_cond_kwargs=dict(conditioning.extras)).sample
    )
    ours = checkpoints["sdxl"].predict(latents, timesteps, conditioning)
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


def test_autoencoder_stays_in_single_precision(toys: Any) -> None:
    from models.diffusion import sdxl

    half = sdxl.load(toys.find("toy-sdxl"), torch.device("cpu"), torch.float16)
    assert half.dtype == torch.float16
    assert autoencoder_of(half).dtype == torch.float32
    latents = torch.randn(1, 4, 8, 8)
    assert half.decode(latents.half())[0].shape == (64, 64, 3)
