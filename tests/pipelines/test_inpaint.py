"""Inpainting against diffusers' own pipelines, alone and in company, and what it leaves alone."""

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
from tests.pipelines.engine.test_engine import Stock, difference, wish

# diffusers hands tensors to numpy in a way that numpy 2 frowns on, and rounds noise levels past the end of their range.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Should have ta>=t0:UserWarning"),
]

INPAINT, TXT2IMG = Inpaint(), Txt2Img()
SIDE = 64
PICTURE = np.linspace(0, 255, SIDE * SIDE * 3).reshape(SIDE, SIDE, 3).astype(np.uint8)
MASK = np.zeros((SIDE, SIDE, 3), np.uint8)
MASK[13:45, 18:50] = 255
GIVEN = {"url": PICTURE, "mask_url": MASK}


def params(index: int = 0, **changes: Any) -> Inpaint.Params:
    """Requests that agree in nothing but picture and mask."""
    wanted: dict[str, Any] = {
        "url": "http://example.com/picture.png",
        "mask_url": "http://example.com/mask.png",
        "model": "toy-sd1",
        "text": f"a lighthouse, number {index}",
        "seed": 100 + index,
        "num_steps": 3 + index % 4,
        "guidance_scale": 1.0 if index % 4 == 3 else 3.0 + index / 2,
        "fidelity": 0.25 if index % 3 == 1 else 0.0,
    }
    return Inpaint.Params(**wanted | changes)


def painted(engine: Engine, wanted: Inpaint.Params, picture: np.ndarray = PICTURE, mask: np.ndarray = MASK) -> Any:
    engine.add("task", INPAINT, wanted, {"url": picture, "mask_url": mask})
    return images_of(run_dry(engine))["task"][0]


def expected(stock: Stock, wanted: Inpaint.Params) -> np.ndarray:
    return stock.image(
        wanted,
        image=Image.fromarray(PICTURE),
        mask_image=Image.fromarray(MASK[:, :, 0]),
        strength=1 - wanted.fidelity,
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
def test_a_mixed_batch_equals_diffusers_alone(
    engine: Engine, models_dir: Path, model: str, folder: str, kind: Any, names: tuple[str, ...]
) -> None:
    stock = Stock(kind, models_dir / folder)
    wishes = {name: params(index, sampler=name, model=model) for index, name in enumerate(names)}
    for index, (name, wanted) in enumerate(wishes.items()):
        engine.add(f"other {name}", TXT2IMG, wish(index, model), {})
        engine.add(name, INPAINT, wanted, GIVEN)
    made = images_of(run_dry(engine))
    differences = {name: difference(made[name][0], expected(stock, wanted)) for name, wanted in wishes.items()}
    assert max(differences.values()) <= 1, differences


def test_raw_inpainting_paints_with_the_model_itself(engine: Engine, models_dir: Path) -> None:
    stock = Stock(diffusers.StableDiffusionInpaintPipeline, models_dir / "toy-sd1")
    for index in range(4):
        wanted = params(index, use_raw_inpainting=True, sampler=SAMPLERS[3 * index])
        assert difference(painted(engine, wanted), expected(stock, wanted)) <= 1
    assert difference(painted(engine, params()), painted(engine, params(use_raw_inpainting=True))) > 1


def test_an_sdxl_checkpoint_for_inpainting(models_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models_dir / "toy-sdxl", tmp_path / "toy")
    config, weights = folder / "unet" / "config.json", folder / "unet" / "diffusion_pytorch_model.safetensors"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"in_channels": 9}))
    tensors = load_file(weights)
    first = tensors["conv_in.weight"]
    tensors["conv_in.weight"] = torch.cat([first, first.flip(1), first.mean(1, keepdim=True)], dim=1)
    save_file(tensors, weights)
    entry = ModelEntry(name="toy", path=folder, family="sdxl")
    shelf = Shelf(loaders.load(entry, torch.device("cpu"), torch.float32))
    stock = Stock(diffusers.StableDiffusionXLInpaintPipeline, folder)
    wanted = params(1, model="toy", sampler="dpmpp_2m")
    assert difference(painted(Engine(shelf, Capacity()), wanted), expected(stock, wanted)) <= 1


def test_raw_inpainting_shares_batches_with_text_to_image(engine: Engine) -> None:
    engine.add("whole", TXT2IMG, wish(0, sampler="euler"), {})
    engine.add("part", INPAINT, params(use_raw_inpainting=True, sampler="dpmpp_2m"), GIVEN)
    engine.step()
    whole, part = engine.unfinished()
    assert key_of(whole) == key_of(part)
    assert whole.index == part.index == 1


@pytest.mark.parametrize("raw", [True, False])
@pytest.mark.parametrize("steps_before", [0, 2])
def test_a_parked_task_ends_in_the_identical_image(shelf: Shelf, raw: bool, steps_before: int) -> None:
    wanted = params(sampler="dpmpp_2m_sde", num_steps=4, use_raw_inpainting=raw)
    engine, elsewhere = Engine(shelf, Capacity()), Engine(shelf, Capacity())
    whole = painted(engine, wanted)
    engine.add("task", INPAINT, wanted, GIVEN)
    for _ in range(steps_before):
        engine.step()
    elsewhere.add("task", INPAINT, wanted, GIVEN, engine.park("task"))
    assert np.array_equal(images_of(run_dry(elsewhere))["task"][0], whole)


@pytest.mark.parametrize("mode", ["normal", "masked"])
@pytest.mark.parametrize("fade", [None, 0, 5])
def test_the_original_is_kept_bit_for_bit(engine: Engine, mode: str, fade: int | None) -> None:
    """Of a picture that is painted at another size than its own."""
    picture = np.random.default_rng(1).integers(0, 256, (70, 90, 3), np.uint8)
    mask = np.zeros((70, 90, 3), np.uint8)
    mask[30:50, 40:60] = 255
    wanted = params(inpainting_mode=mode, keep_original=mode == "normal", keep_original_num_fade_pixels=fade)
    result = painted(engine, wanted, picture, mask)
    band = fade or 0
    changed = np.argwhere((result != picture).any(axis=2))
    assert result.shape == picture.shape
    assert (changed.min(axis=0) >= (30 - band, 40 - band)).all()
    assert (changed.max(axis=0) < (50 + band, 60 + band)).all()
    assert (result != picture)[30:50, 40:60].any(axis=2).mean() > 0.9


def test_a_kept_original_keeps_its_alpha_around_the_mask(engine: Engine) -> None:
    picture = np.dstack([PICTURE, np.full((SIDE, SIDE), 77, np.uint8)])
    result = painted(engine, params(keep_original=True, keep_original_num_fade_pixels=None), picture)
    inside = MASK[:, :, 0] > 0
    assert (result[inside, 3] == 255).all()
    assert np.array_equal(result[~inside], picture[~inside])


def test_masked_paints_the_surroundings_at_full_size(engine: Engine) -> None:
    """With a target of its own, whatever the size of what was cut out."""
    engine.add(
        "task",
        INPAINT,
        params(inpainting_mode="masked", inpainting_mask_padding=4, inpainting_target_wh=[96, 64]),
        GIVEN,
    )
    engine.step()
    (trajectory,) = engine.unfinished()
    assert (trajectory.denoise.width, trajectory.denoise.height) == (96, 64)
    assert images_of(run_dry(engine))["task"][0].shape == PICTURE.shape


def test_white_and_whatever_is_not_transparent_is_painted(engine: Engine) -> None:
    """A black mask whose alpha marks the very same pixels, at twice the size, is the same mask."""
    alpha = np.zeros((2 * SIDE, 2 * SIDE, 4), np.uint8)
    alpha[26:90, 36:100, 3] = 1
    white = painted(engine, params(keep_original=True))
    assert np.array_equal(painted(engine, params(keep_original=True), mask=alpha), white)
    assert not np.array_equal(white, PICTURE)


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (np.zeros((SIDE, SIDE, 3), np.uint8), "the mask is empty"),
        (np.full((SIDE, SIDE, 3), 32, np.uint8), "lower the threshold"),
        (np.full((SIDE, SIDE, 4), (255, 255, 255, 0), np.uint8), "the mask is empty"),
        (np.pad(np.full((1, 1, 3), 255, np.uint8), ((13, 50), (13, 50), (0, 0))), "thinner than the 8 pixels"),
    ],
)
def test_a_mask_that_marks_nothing_is_refused(engine: Engine, mask: np.ndarray, says: str) -> None:
    engine.add("task", INPAINT, params(), {"url": PICTURE, "mask_url": mask})
    (failure,) = run_dry(engine)
    assert isinstance(failure, Failed)
    assert failure.code == "bad_input"
    assert says in failure.message


def test_a_reference_to_start_from(engine: Engine) -> None:
    """The picture itself, which is what fidelity means; or what is around the mask, whatever is under it."""
    close = {"reference_fidelity": 0.6}
    by_fidelity = painted(engine, params(fidelity=0.6))
    assert np.array_equal(painted(engine, params(use_reference=True, **close)), by_fidelity)
    changed = np.where(MASK > 0, 255 - PICTURE, PICTURE)
    results = [painted(engine, params(use_background_reference=True, **close), one) for one in (PICTURE, changed)]
    assert np.array_equal(*results)
    assert not np.array_equal(results[0], by_fidelity)
    assert np.array_equal(painted(engine, params(**close)), painted(engine, params()))


def test_background_guidance_holds_an_inpainting_model_to_the_picture(engine: Engine) -> None:
    outside = MASK[:, :, 0] == 0

    def strays(**changes: Any) -> float:
        made = painted(engine, params(num_steps=4, **changes)).astype(int)
        return float(np.abs(made - PICTURE)[outside].mean())

    assert strays(use_background_guidance=True) < strays()


def test_a_model_for_inpainting_does_not_paint_whole_pictures(engine: Engine) -> None:
    engine.add("task", TXT2IMG, wish(0, model="toy-sd1-inpainting"), {})
    (failure,) = run_dry(engine)
    assert isinstance(failure, Failed)
    assert failure.code == "bad_input"
    assert "use a plain model" in failure.message


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"use_reference": True, "use_background_reference": True}, "set at most one of them"),
        ({"inpainting_padding_mode": "reflect"}, "Input should be None"),
        ({"inpainting_target_wh": 515}, "inpainting_target_wh 515 is not a multiple of 8"),
        ({"inpainting_target_wh": [64, 2048]}, "above max_wh 1024"),
        ({"mask_url": ""}, "at least 1 character"),
    ],
)
def test_what_is_not_built_is_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        params(**wrong)
    assert says in str(caught.value)


def test_the_model_that_paints() -> None:
    assert INPAINT.needs(params()) == (ModelRef(CHECKPOINT, "toy-sd1", inpainting=True),)
    assert INPAINT.needs(params(use_raw_inpainting=True)) == (ModelRef(CHECKPOINT, "toy-sd1"),)
    assert INPAINT.work(params()).pixels == 1024 * 1024
    assert INPAINT.work(params(inpainting_target_wh=512)).pixels == 512 * 512
