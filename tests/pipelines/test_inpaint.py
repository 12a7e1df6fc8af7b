"""Inpainting against diffusers' own pipelines, alone and in mixed batches, and which pixels it keeps."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import load_file, save_file

from models.catalog.entry import ModelEntry
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from models.registry import loaders
from pipelines.engine.engine import Engine
from pipelines.engine.events import Failed
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.inpaint import Inpaint
from pipelines.sampler_names import SAMPLERS
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import Shelf, images_of, run_dry
from tests.support.diffusers_reference import (
    DiffusersReference,
    max_difference,
    resized_latents,
    txt2img_params,
)

# diffusers hands tensors to numpy in a way that numpy 2 frowns on, and rounds noise levels past the end of their range.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Should have ta>=t0:UserWarning"),
]

INPAINT, TXT2IMG = Inpaint(), Txt2Img()
SIDE = 64
PICTURE = np.linspace(0, 255, SIDE * SIDE * 3).reshape(SIDE, SIDE, 3).astype(np.uint8)
MASK = np.zeros((SIDE, SIDE, 3), np.uint8)
MASK[16:48, 16:48] = 255
"""Of whole latent pixels: of a part of one, diffusers looks at a corner alone."""
IMAGES = {"url": PICTURE, "mask_url": MASK}


def params(index: int = 0, **changes: Any) -> Inpaint.Params:
    """Parameters that differ between indices in everything but picture and mask."""
    request: dict[str, Any] = {
        "url": "http://example.com/picture.png",
        "mask_url": "http://example.com/mask.png",
        "model": "toy-sd1",
        "text": f"a lighthouse, number {index}",
        "seed": 100 + index,
        "num_steps": 3 + index % 4,
        "guidance_scale": 1.0 if index % 4 == 3 else 3.0 + index / 2,
        "fidelity": 0.25 if index % 3 == 1 else 0.0,
    }
    return Inpaint.Params(**request | changes)


def inpaint(engine: Engine, request: Inpaint.Params, picture: np.ndarray = PICTURE, mask: np.ndarray = MASK) -> Any:
    engine.add("task", INPAINT, request, {"url": picture, "mask_url": mask})
    return images_of(run_dry(engine))["task"][0]


def expected(stock: DiffusersReference, request: Inpaint.Params) -> np.ndarray:
    return stock.image(
        request,
        image=Image.fromarray(PICTURE),
        mask_image=Image.fromarray(MASK[:, :, 0]),
        strength=1 - request.fidelity,
        width=SIDE,
        height=SIDE,
    )


@pytest.mark.parametrize(
    ("model", "folder", "kind", "names"),
    [
        ("toy-sd1", "toy-sd1-inpainting", diffusers.StableDiffusionInpaintPipeline, SAMPLERS),
        ("toy-sd2", "toy-sd2", diffusers.StableDiffusionInpaintPipeline, SAMPLERS),
        ("toy-sdxl", "toy-sdxl", diffusers.StableDiffusionXLInpaintPipeline, ("euler", "dpmpp_2m_sde", "unipc", "lcm")),
    ],
)
def test_inpaint_batch_of_all_samplers_equals_diffusers(
    engine: Engine, models_dir: Path, model: str, folder: str, kind: Any, names: tuple[str, ...]
) -> None:
    stock = DiffusersReference(kind, models_dir / folder)
    requests = {name: params(index, sampler=name, model=model) for index, name in enumerate(names)}
    for index, (name, request) in enumerate(requests.items()):
        engine.add(f"other {name}", TXT2IMG, txt2img_params(index, model), {})
        engine.add(name, INPAINT, request, IMAGES)
    result = images_of(run_dry(engine))
    differences = {
        name: max_difference(result[name][0], expected(stock, request)) for name, request in requests.items()
    }
    assert max(differences.values()) <= 1, differences


def test_use_raw_inpainting_runs_the_model_itself(engine: Engine, models_dir: Path) -> None:
    stock = DiffusersReference(diffusers.StableDiffusionInpaintPipeline, models_dir / "toy-sd1")
    for index in range(4):
        request = params(index, use_raw_inpainting=True, sampler=SAMPLERS[3 * index])
        assert max_difference(inpaint(engine, request), expected(stock, request)) <= 1
    assert max_difference(inpaint(engine, params()), inpaint(engine, params(use_raw_inpainting=True))) > 1


def test_sdxl_inpainting_checkpoint_equals_diffusers(models_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models_dir / "toy-sdxl", tmp_path / "toy")
    config, weights = folder / "unet" / "config.json", folder / "unet" / "diffusion_pytorch_model.safetensors"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"in_channels": 9}))
    tensors = load_file(weights)
    conv_in = tensors["conv_in.weight"]
    tensors["conv_in.weight"] = torch.cat([conv_in, conv_in.flip(1), conv_in.mean(1, keepdim=True)], dim=1)
    save_file(tensors, weights)
    entry = ModelEntry(name="toy", path=folder, family="sdxl")
    shelf = Shelf(loaders.load(entry, torch.device("cpu"), torch.float32))
    stock = DiffusersReference(diffusers.StableDiffusionXLInpaintPipeline, folder)
    request = params(1, model="toy", sampler="dpmpp_2m")
    assert max_difference(inpaint(Engine(shelf, Capacity()), request), expected(stock, request)) <= 1


def test_raw_inpainting_shares_batches_with_text_to_image(engine: Engine) -> None:
    engine.add("whole", TXT2IMG, txt2img_params(0, sampler="euler"), {})
    engine.add("part", INPAINT, params(use_raw_inpainting=True, sampler="dpmpp_2m"), IMAGES)
    engine.step()
    whole, part = engine.unfinished()
    assert key_of(whole) == key_of(part)
    assert whole.index == part.index == 1


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("steps_before", [0, 2])
def test_parked_inpainting_continues_with_the_same_image(shelf: Shelf, raw: bool, steps_before: int) -> None:
    request = params(sampler="dpmpp_2m_sde", num_steps=4, use_raw_inpainting=raw)
    engine, elsewhere = Engine(shelf, Capacity()), Engine(shelf, Capacity())
    whole = inpaint(engine, request)
    engine.add("task", INPAINT, request, IMAGES)
    for _ in range(steps_before):
        engine.step()
    elsewhere.add("task", INPAINT, request, IMAGES, engine.park("task"))
    assert np.array_equal(images_of(run_dry(elsewhere))["task"][0], whole)


@pytest.mark.parametrize("mode", ["normal", "masked"])
@pytest.mark.parametrize("fade", [None, 0, 5])
def test_keep_original_changes_only_the_mask_and_its_band(engine: Engine, mode: str, fade: int | None) -> None:
    """In a picture that is generated at another size than its own."""
    picture = np.random.default_rng(1).integers(0, 256, (70, 90, 3), np.uint8)
    mask = np.zeros((70, 90, 3), np.uint8)
    mask[30:50, 40:60] = 255
    request = params(inpainting_mode=mode, keep_original=mode == "normal", keep_original_num_fade_pixels=fade)
    result = inpaint(engine, request, picture, mask)
    band = fade or 0
    changed = np.argwhere((result != picture).any(axis=2))
    assert result.shape == picture.shape
    assert (changed.min(axis=0) >= (30 - band, 40 - band)).all()
    assert (changed.max(axis=0) < (50 + band, 60 + band)).all()
    assert (result != picture)[30:50, 40:60].any(axis=2).mean() > 0.9


def test_keep_original_keeps_alpha_outside_the_mask(engine: Engine) -> None:
    picture = np.dstack([PICTURE, np.full((SIDE, SIDE), 77, np.uint8)])
    result = inpaint(engine, params(keep_original=True, keep_original_num_fade_pixels=None), picture)
    inside = MASK[:, :, 0] > 0
    assert (result[inside, 3] == 255).all()
    assert np.array_equal(result[~inside], picture[~inside])


def test_mode_masked_generates_at_the_target_size(engine: Engine) -> None:
    """The size of the part that is cut out does not matter."""
    engine.add(
        "task",
        INPAINT,
        params(inpainting_mode="masked", inpainting_mask_padding=4, inpainting_target_wh=[96, 64]),
        IMAGES,
    )
    engine.step()
    (trajectory,) = engine.unfinished()
    assert (trajectory.denoise.width, trajectory.denoise.height) == (96, 64)
    assert images_of(run_dry(engine))["task"][0].shape == PICTURE.shape


def test_mask_by_alpha_equals_mask_by_white(engine: Engine) -> None:
    """A black mask whose alpha marks the same pixels, at twice the size, is the same mask."""
    alpha = np.zeros((2 * SIDE, 2 * SIDE, 4), np.uint8)
    alpha[32:96, 32:96, 3] = 1
    white = inpaint(engine, params(keep_original=True))
    assert np.array_equal(inpaint(engine, params(keep_original=True), mask=alpha), white)
    assert not np.array_equal(white, PICTURE)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((SIDE, SIDE, 3), np.uint8), "the mask is empty"),
        (np.full((SIDE, SIDE, 3), 32, np.uint8), "lower the threshold"),
        (np.full((SIDE, SIDE, 4), (255, 255, 255, 0), np.uint8), "the mask is empty"),
    ],
)
def test_empty_mask_is_refused(engine: Engine, mask: np.ndarray, message: str) -> None:
    engine.add("task", INPAINT, params(), {"url": PICTURE, "mask_url": mask})
    (failure,) = run_dry(engine)
    assert isinstance(failure, Failed)
    assert failure.code == "bad_input"
    assert message in failure.message


@pytest.mark.parametrize("raw", [True, False])
def test_thin_line_is_painted(engine: Engine, raw: bool) -> None:
    """A line between the corners of latent pixels changes as much as the one on them."""
    picture = np.full((SIDE, SIDE, 3), (200, 30, 30), np.uint8)

    def change(left: int) -> float:
        mask = np.zeros_like(picture)
        mask[:, left : left + 7] = 255
        result = inpaint(engine, params(num_steps=4, use_raw_inpainting=raw), picture, mask)
        return float(np.abs(result.astype(int) - picture)[:, left : left + 7].mean())

    assert change(33) > 0.5 * change(32) > 5


def test_use_reference_and_use_background_reference(engine: Engine) -> None:
    """The first equals `fidelity`. The second starts from the surroundings of the mask, whatever is under it."""
    close = {"reference_fidelity": 0.6}
    by_fidelity = inpaint(engine, params(fidelity=0.6))
    assert np.array_equal(inpaint(engine, params(use_reference=True, **close)), by_fidelity)
    changed = np.where(MASK > 0, 255 - PICTURE, PICTURE)
    results = [inpaint(engine, params(use_background_reference=True, **close), one) for one in (PICTURE, changed)]
    assert np.array_equal(*results)
    assert not np.array_equal(results[0], by_fidelity)
    assert np.array_equal(inpaint(engine, params(**close)), inpaint(engine, params()))


def test_background_guidance_resets_what_is_outside_the_mask(engine: Engine) -> None:
    outside = MASK[:, :, 0] == 0

    def distance(**changes: Any) -> float:
        result = inpaint(engine, params(num_steps=4, **changes)).astype(int)
        return float(np.abs(result - PICTURE)[outside].mean())

    assert distance(use_background_guidance=True) < distance()


def test_inpainting_model_refuses_text_to_image(engine: Engine) -> None:
    engine.add("task", TXT2IMG, txt2img_params(0, model="toy-sd1-inpainting"), {})
    (failure,) = run_dry(engine)
    assert isinstance(failure, Failed)
    assert failure.code == "bad_input"
    assert "use a plain model" in failure.message


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"use_reference": True, "use_background_reference": True}, "set at most one of them"),
        ({"inpainting_padding_mode": "reflect"}, "Input should be None"),
        ({"inpainting_target_wh": 515}, "inpainting_target_wh 515 is not a multiple of 8"),
        ({"inpainting_target_wh": [64, 2048]}, "above max_wh 1024"),
        ({"mask_url": ""}, "at least 1 character"),
    ],
)
def test_invalid_inpaint_params_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        params(**wrong)
    assert message in str(caught.value)


def test_needs_the_inpainting_model_unless_raw() -> None:
    assert INPAINT.needs(params()) == (ModelRef(CHECKPOINT, "toy-sd1", inpainting=True),)
    assert INPAINT.needs(params(use_raw_inpainting=True)) == (ModelRef(CHECKPOINT, "toy-sd1"),)
    assert INPAINT.work(params()).pixels == 1024 * 1024
    assert INPAINT.work(params(inpainting_target_wh=512)).pixels == 512 * 512


def test_inverted_mask_repaints_what_the_mask_leaves_out(engine: Engine) -> None:
    request = params()
    inverted = inpaint(engine, params(inpainting_mask_invert=True), mask=255 - MASK)
    assert np.array_equal(inverted, inpaint(engine, request))
    transparent = np.dstack([MASK, 255 - MASK[:, :, 0]])
    assert np.array_equal(inpaint(engine, params(inpainting_mask_invert=True), mask=transparent), inverted)


@pytest.mark.parametrize(("content", "like"), [("original", "picture"), ("fill", "surroundings")])
def test_masked_content_starts_from_the_picture_or_its_surroundings(engine: Engine, content: str, like: str) -> None:
    flags = {"picture": "use_reference", "surroundings": "use_background_reference"}
    named = inpaint(engine, params(masked_content=content, fidelity=0.5))
    flagged = inpaint(engine, params(**{flags[like]: True}, reference_fidelity=0.5, fidelity=0.0))
    assert np.array_equal(named, flagged)


@pytest.mark.parametrize("content", ["noise", "nothing"])
def test_masked_content_may_be_noise_or_nothing(engine: Engine, content: str) -> None:
    """Under the mask, in the latents that denoising starts from; around it there is the picture."""
    request = params(masked_content=content, fidelity=0.5, num_steps=8, use_raw_inpainting=True)
    engine.add("task", INPAINT, request, IMAGES)
    engine.step()
    (trajectory,) = engine.unfinished()
    source = trajectory.denoise.source
    assert source is not None
    under = source[0, :, 2:6, 2:6]
    assert bool((under == 0).all()) == (content == "nothing")
    assert under.std() > 0.8 or content == "nothing"
    assert source[0, :, :2].std() > 0
    run_dry(engine)


def test_masked_content_excludes_the_older_flags() -> None:
    with pytest.raises(ValidationError, match="masked_content takes the place"):
        params(masked_content="fill", use_reference=True)


def test_wh_resizes_picture_and_mask_alike(engine: Engine) -> None:
    """The mask of a wide picture is cropped with it; what is outside stays."""
    picture = np.tile(PICTURE, (1, 3, 1))
    mask = np.zeros_like(picture)
    mask[16:48, 80:112] = 255
    request = params(wh=[SIDE, SIDE], resize_mode="cover", keep_original=True, keep_original_num_fade_pixels=None)
    result = inpaint(engine, request, picture, mask)
    assert result.shape == (SIDE, SIDE, 3)
    assert np.array_equal(result[:16], PICTURE[:16])
    assert not np.array_equal(result[16:48, 16:48], PICTURE[16:48, 16:48])


def test_mask_that_is_cropped_away_is_refused(engine: Engine) -> None:
    picture, mask = np.tile(PICTURE, (1, 3, 1)), np.zeros((SIDE, 3 * SIDE, 3), np.uint8)
    mask[:, :8] = 255
    engine.add("task", INPAINT, params(wh=[SIDE, SIDE], resize_mode="cover"), {"url": picture, "mask_url": mask})
    (failed,) = [event for event in run_dry(engine) if isinstance(event, Failed)]
    assert "the mask is empty" in failed.message


def test_resize_mode_latent_preserves_the_stretched_latents(engine: Engine, models_dir: Path) -> None:
    """The image is twice as wide as the picture; where the mask is not, the stretched latents come back."""
    stock = DiffusersReference(diffusers.StableDiffusionImg2ImgPipeline, models_dir / "toy-sd1")
    mask = np.zeros_like(PICTURE)
    mask[: SIDE // 2] = 255
    request = params(wh=[2 * SIDE, SIDE], resize_mode="latent", fidelity=0.25, use_raw_inpainting=True, num_steps=8)
    engine.add("task", INPAINT, request, {"url": PICTURE, "mask_url": mask})
    engine.step()
    (trajectory,) = engine.unfinished()
    expected = resized_latents(stock, PICTURE, 2 * SIDE, SIDE, torch.Generator().manual_seed(request.seed))
    (region, source) = trajectory.denoise.preserve, trajectory.denoise.source
    assert region is not None
    assert source is not None
    assert torch.allclose(region.picture, expected, atol=1e-5)
    assert torch.allclose(source, expected, atol=1e-5)
    assert region.mask[0, 0].bool().tolist() == [[True] * 16] * 4 + [[False] * 16] * 4
    (image,) = images_of(run_dry(engine))["task"]
    assert image.shape == (SIDE, 2 * SIDE, 3)


def test_resize_mode_latent_excludes_mode_masked() -> None:
    with pytest.raises(ValidationError, match="set another resize_mode, or inpainting_mode normal"):
        params(resize_mode="latent", inpainting_mode="masked")
