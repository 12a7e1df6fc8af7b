from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pipelines
from models import catalog
from models.catalog.catalog import MisfitError
from models.catalog.file_hashes import FileHashes, compute
from models.diffusion.checkpoint import Checkpoint
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from models.kinds.lora import LORA
from models.noise import SeededNoise
from pipelines.img2img import Img2Img
from pipelines.pipeline import Denoise
from pipelines.recipes.image_generation import generate_from_image, generate_from_noise
from pipelines.txt2img import Txt2Img
from tests.support import model_files as files
from tests.support.model_files import write_model

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


@pytest.mark.parametrize(
    ("task_type", "wrong", "message"),
    [
        ("txt2img.sd", {"clip_skip": 4}, "clip_skip 4 leaves no layer"),
        ("txt2img.sd", {"custom_embeddings": {"boat": [[0.0] * 768]}}, "768 numbers each, but a text encoder"),
        ("img2img.inpainting", {"mask_url": "x", "use_refine": True, "clip_skip": 4}, "clip_skip 4 leaves no layer"),
        ("control_new.canny", {"model": "toy-sd1-inpainting", "hint_url": "x"}, "use a plain model here"),
        ("img2img.sd", {"model": "toy-sd1-inpainting"}, "use a plain model here"),
    ],
)
def test_what_does_not_fit_the_checkpoint_is_refused(
    task_type: str, wrong: dict[str, Any], message: str, models_dir: Path
) -> None:
    """When the names are resolved, before any model is loaded."""
    pipeline, models = pipelines.find(task_type), catalog.read(models_dir)
    common = {"text": "a boat", **({"url": "x"} if "url" in pipeline.Params.model_fields else {})}
    right = {name: value for name, value in wrong.items() if name in ("mask_url", "use_refine", "hint_url")}
    pipeline.resolve_names(pipeline.Params.model_validate(common | right), models)
    with pytest.raises(MisfitError, match=message):
        pipeline.resolve_names(pipeline.Params.model_validate(common | wrong), models)


@pytest.mark.parametrize("task_type", ["txt2img.sd.inpainting", "txt2img.sd.outpainting", "control_new.canny"])
def test_inpainting_checkpoint_is_accepted_with_a_mask(task_type: str, models_dir: Path) -> None:
    pipeline = pipelines.find(task_type)
    images = {name: "x" for name in ("url", "mask_url", "hint_url") if name in pipeline.Params.model_fields}
    params = pipeline.Params.model_validate({"text": "a boat", "model": "toy-sd1-inpainting", **images})
    assert pipeline.resolve_names(params, catalog.read(models_dir)).model == "toy-sd1-inpainting"


def test_resolve_draws_a_seed() -> None:
    assert Img2Img().resolve(Img2Img.Params(text="a", url="x")).seed >= 0


def test_lora_that_is_named_by_hash_gets_its_name(tmp_path: Path) -> None:
    """The worker that runs the task knows no hashes."""
    checkpoint = write_model(tmp_path / "one.safetensors", files.SD1)
    ink = write_model(tmp_path / "a:b.safetensors", files.LORA_SD1)
    hashes = FileHashes()
    models = catalog.read(tmp_path, hashes=hashes)
    hashes.learn([checkpoint, ink], [], lambda: False)
    found = compute(ink)
    assert found is not None
    digits = found.sha256[:10].upper()
    params = Txt2Img.Params(text=f"a cat <lora:{digits}:0.5>", lora_scales={digits: 0.25})
    resolved = Txt2Img().resolve_names(params, models)
    assert resolved.text == "a cat <lora:a-b:0.5>"
    catalog.read(tmp_path).find(ModelRef(LORA, next(iter(resolved.loras))))
    assert resolved.loras == {"a-b": (0.75, 0.75)}
