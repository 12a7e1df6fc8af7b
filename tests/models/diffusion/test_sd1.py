from typing import Any

import numpy as np
import pytest
import torch

from models.diffusion.text_encoder import ClipSkipError
from models.loaded_model import LoadedModel
from tests.support.nets import text_encoder_of

FAMILIES = ["sd1", "sd2"]
PROMPTS = ["a photo of a red apple", "", "一只猫, a cat's hat", "apple, " * 24]
SIZE = {"clip_skip": -1, "width": 64, "height": 64}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prompt", PROMPTS)
def test_encode_prompt_equals_diffusers(
    family: str, prompt: str, checkpoints: dict[str, LoadedModel], stock: dict[str, Any]
) -> None:
    expected = stock[family].encode_prompt(prompt, "cpu", 1, True, "blurry")
    positive, negative = checkpoints[family].encode_prompt(prompt, "blurry", **SIZE)
    assert torch.equal(positive.embeds, expected[0])
    assert negative is not None
    assert torch.equal(negative.embeds, expected[1])


def test_encode_prompt_without_negative_returns_none(checkpoints: dict[str, LoadedModel]) -> None:
    assert checkpoints["sd1"].encode_prompt("a cat", None, **SIZE)[1] is None


@pytest.mark.parametrize("family", FAMILIES)
def test_predict_equals_diffusers(family: str, checkpoints: dict[str, LoadedModel], stock: dict[str, Any]) -> None:
    latents, timesteps = torch.randn(2, 4, 8, 12), torch.tensor([981, 3])
    conditioning = checkpoints[family].encode_prompt("a cat", None, **SIZE)[0]
    embeds = conditioning.embeds.expand(2, -1, -1)
    expected = stock[family].unet(latents, timesteps, embeds).sample
    ours = checkpoints[family].predict(latents, timesteps, type(conditioning)(embeds))
    torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("clip_skip", [0, 1, 3])
def test_clip_skip_leaves_out_layers(
    clip_skip: int, checkpoints: dict[str, LoadedModel], stock: dict[str, Any]
) -> None:
    encoder, tokenizer = stock["sd1"].text_encoder, stock["sd1"].tokenizer
    for prompt in ("a red apple", "blurry"):
        ids = tokenizer(prompt, padding="max_length", return_tensors="pt").input_ids
        states = encoder.embeddings(ids)
        mask = torch.full((77, 77), float("-inf")).triu(1)[None, None]
        for layer in encoder.encoder.layers[: len(encoder.encoder.layers) - clip_skip]:
            states = layer(states, mask)
        expected = encoder.final_layer_norm(states)
        ours, _ = checkpoints["sd1"].encode_prompt(prompt, None, clip_skip=clip_skip, width=64, height=64)
        torch.testing.assert_close(ours.embeds, expected, rtol=1e-4, atol=1e-5)


def test_clip_skip_applies_to_the_negative_prompt(checkpoints: dict[str, LoadedModel]) -> None:
    pairs = [checkpoints["sd1"].encode_prompt("x", "x", clip_skip=skip, width=64, height=64) for skip in (0, 1)]
    for positive, negative in pairs:
        assert negative is not None
        assert torch.equal(positive.embeds, negative.embeds)
    assert not torch.equal(pairs[0][0].embeds, pairs[1][0].embeds)


def test_clip_skip_error_names_the_maximum(checkpoints: dict[str, LoadedModel]) -> None:
    with pytest.raises(ClipSkipError, match="set it to at most 3"):
        checkpoints["sd1"].encode_prompt("a cat", None, clip_skip=4, width=64, height=64)


def test_clip_skip_default_comes_from_the_entry(toys: Any, checkpoints: dict[str, LoadedModel]) -> None:
    from models.diffusion import sd1

    entry = toys.find("toy-sd1").model_copy(update={"clip_skip": 1})
    own = sd1.load(entry, torch.device("cpu"), torch.float32)
    expected, _ = checkpoints["sd1"].encode_prompt("a cat", None, clip_skip=1, width=64, height=64)
    assert torch.equal(own.encode_prompt("a cat", None, **SIZE)[0].embeds, expected.embeds)


def test_prompt_and_negative_have_equal_token_counts(
    checkpoints: dict[str, LoadedModel], stock: dict[str, Any]
) -> None:
    positive, negative = checkpoints["sd1"].encode_prompt("red apple " * 60, "blurry", **SIZE)
    assert negative is not None
    assert positive.embeds.shape == negative.embeds.shape == (1, 2 * 77, 128)
    blank = stock["sd1"].encode_prompt("", "cpu", 1, False)[0]
    assert torch.equal(negative.embeds[:, 77:], blank)


def test_prompt_weights_change_tokens_and_keep_the_mean(checkpoints: dict[str, LoadedModel]) -> None:
    plain, _ = checkpoints["sd1"].encode_prompt("a red apple", None, **SIZE)
    same, _ = checkpoints["sd1"].encode_prompt("a (red:1.0) apple", None, **SIZE)
    strong, _ = checkpoints["sd1"].encode_prompt("a (red:1.5) apple", None, **SIZE)
    assert torch.equal(plain.embeds, same.embeds)
    ratio = strong.embeds[0] / plain.embeds[0]
    torch.testing.assert_close(ratio[2], 1.5 * ratio[1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(ratio[3], ratio[1], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(strong.embeds.mean(), plain.embeds.mean(), rtol=1e-4, atol=1e-6)


def test_encodings_are_cached(checkpoints: dict[str, LoadedModel]) -> None:
    toy = checkpoints["sd1"]
    calls: list[int] = []
    hook = text_encoder_of(toy).model.register_forward_hook(lambda *_: calls.append(1))
    try:
        for _ in range(3):
            toy.encode_prompt("something new", "", **SIZE)
            toy.encode_prompt("something new", "", clip_skip=2, width=64, height=64)
    finally:
        hook.remove()
    assert len(calls) <= 4


@pytest.mark.parametrize("family", FAMILIES)
def test_image_equals_diffusers(family: str, checkpoints: dict[str, LoadedModel], stock: dict[str, Any]) -> None:
    toy, pipeline = checkpoints[family], stock[family]
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 4, 8, 8)
    options = {"num_inference_steps": 3, "guidance_scale": 5.0, "height": 64, "width": 64}
    (expected,) = pipeline("a red apple", latents=noise, output_type="np", **options).images
    positive, negative = toy.encode_prompt("a red apple", "", **SIZE)
    assert negative is not None
    scheduler = type(pipeline.scheduler).from_config(dict(toy.scheduler_config))
    scheduler.set_timesteps(3)
    latents = noise * scheduler.init_noise_sigma
    for timestep in scheduler.timesteps:
        rows = scheduler.scale_model_input(latents, timestep)
        guided, free = (toy.predict(rows, timestep[None], conditioning) for conditioning in (positive, negative))
        latents = scheduler.step(free + 5.0 * (guided - free), timestep, latents).prev_sample
    assert np.abs(toy.decode(latents)[0] / 255.0 - expected).max() <= 1 / 255
