from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from models.diffusion.checkpoint import Checkpoint
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from models.kinds.lora import LORA
from models.noise import SeededNoise
from pipelines.img2img import Img2Img
from pipelines.pipeline import Denoise
from pipelines.recipes.image_generation import generate_from_image, generate_from_noise
from pipelines.txt2img import Txt2Img

PARAMS = Txt2Img.Params(text="a boat", model="toy-sd1", seed=5, num_samples=2, num_steps=4)


def first_yield(recipe: Any) -> list[Denoise]:
    return list(next(recipe))


def result(recipe: Any, latents: list[torch.Tensor]) -> list[np.ndarray]:
    with pytest.raises(StopIteration) as finished:
        recipe.send(latents)
    images: list[np.ndarray] = finished.value.value
    return images


def test_generate_from_noise_requests_one_image_per_seed(sd1: Checkpoint) -> None:
    recipe = generate_from_noise(PARAMS, sd1, 64, 128)
    requests = first_yield(recipe)
    assert [(each.width, each.height, each.source) for each in requests] == [(64, 128, None)] * 2
    for request, seed in zip(requests, (5, 6), strict=True):
        assert torch.equal(request.noise.initial((1, 4, 16, 8)), SeededNoise(seed).initial((1, 4, 16, 8)))
    images = result(recipe, [torch.zeros(1, 4, 16, 8)] * 2)
    assert [image.shape for image in images] == [(128, 64, 3)] * 2


def test_generate_from_image_starts_from_its_latents(sd1: Checkpoint) -> None:
    source = np.random.default_rng(0).integers(0, 256, (64, 72, 3), np.uint8)
    requests = first_yield(generate_from_image(PARAMS, sd1, source, fidelity=0.25))
    assert [(each.width, each.height, each.strength) for each in requests] == [(72, 64, 0.75)] * 2
    assert all(each.source is not None and each.source.shape == (1, 4, 8, 9) for each in requests)


def test_needs_the_checkpoint_first_and_then_its_adapters() -> None:
    params = Img2Img.Params(text="a <lora:ink>", url="x", model="toy-sd1")
    assert Img2Img().needs(params) == (ModelRef(CHECKPOINT, "toy-sd1"), ModelRef(LORA, "ink"))


def test_resolve_draws_a_seed() -> None:
    assert Img2Img().resolve(Img2Img.Params(text="a", url="x")).seed >= 0
