"""Enlarging by repainting tiles, against diffusers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from models.imaging.pixels import resize
from models.imaging.tiles import split_spans
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.controlnet import CONTROLNET
from models.kinds.kind import ModelRef
from models.noise import SeededNoise
from pipelines.engine.events import Failed
from pipelines.engine.scheduling.batch_key import key_of
from pipelines.upscale_tile import UpscaleTile
from tests.pipelines.conftest import Studio
from tests.support.diffusers_reference import DiffusersReference, max_difference
from tests.support.pictures import PICTURE

TILE = UpscaleTile()
IMAGES = {"url": PICTURE}


def params(**changes: Any) -> Any:
    request = {"url": "http://example.com/a.png", "text": "a house", "model": "toy-sd1", "seed": 3, "highres_steps": 6}
    return TILE.Params(**request | changes)


def test_single_tile_equals_diffusers(studio: Studio, models_dir: Path) -> None:
    """From the same latents; ours are drawn in another order."""
    reference = DiffusersReference.with_controlnets(
        diffusers.StableDiffusionControlNetImg2ImgPipeline, models_dir, "toy-sd1", "toy-sd1-tile"
    )
    request = params(fidelity=0.5, strength=0.7, num_steps=6)
    enlarged = resize(PICTURE, 128, 128)
    with studio.held("toy-sd1") as handle:
        source = handle.get(ModelRef(CHECKPOINT, "toy-sd1")).encode(enlarged, SeededNoise(request.seed + 1))
    initial = SeededNoise(request.seed).gaussian(source.shape)
    pipe = reference.pipe
    pipe.prepare_latents = lambda _, timestep, *__: pipe.scheduler.add_noise(source, initial, timestep)
    hint = Image.fromarray(enlarged)
    expected = reference.image(request, image=hint, control_image=hint, strength=0.5, controlnet_conditioning_scale=0.7)
    assert max_difference(studio.image(TILE, request, IMAGES), expected) <= 1


def test_all_tiles_share_one_batch(studio: Studio) -> None:
    studio.engine.add("task", TILE, params(grid_wh=64, padding=8), IMAGES)
    studio.engine.step()
    tiles = studio.engine.unfinished()
    assert len(tiles) == 9
    assert len({key_of(tile) for tile in tiles}) == 1
    assert tiles[0].controls[0].net.name == "toy-sd1-tile"
    studio.engine.abort("task")


def test_tiles_have_no_seams(studio: Studio) -> None:
    """In a flat picture, neighbouring pixels differ no more at the edges of tiles than inside them."""
    flat = {"url": np.full((64, 64, 3), 128, np.uint8)}
    result = studio.image(TILE, params(grid_wh=64, padding=8, fidelity=0.8), flat).astype(int)
    steps = np.abs(np.diff(result, axis=1)).mean(axis=(0, 2))
    edges = [begin + offset for begin in (32, 48, 96, 112) for offset in (-1, 0)]
    assert steps[edges].max() <= 1.5 * steps.max()
    assert result.shape == (128, 128, 3)


def test_result_has_the_requested_size_and_alpha(studio: Studio) -> None:
    picture = np.dstack([PICTURE, np.full((64, 64), 90, np.uint8)])
    result = studio.image(TILE, params(upscale_factor=[1.5, 1.3]), {"url": picture})
    assert result.shape == (83, 96, 4)
    assert (result[:, :, 3] == 90).all()
    shrunk = studio.image(TILE, params(upscale_factor=1, max_wh=64), {"url": np.zeros((100, 200, 3), np.uint8)})
    assert shrunk.shape == (32, 64, 3)


def test_higher_fidelity_varies_less_between_seeds(studio: Studio) -> None:
    def spread(fidelity: float) -> float:
        first, second = (
            studio.image(TILE, params(fidelity=fidelity, seed=seed), IMAGES).astype(int) for seed in (1, 2)
        )
        return float(np.abs(first - second).mean())

    assert spread(1) < spread(0)


def test_too_large_result_is_refused(studio: Studio) -> None:
    failure = studio.run(TILE, params(upscale_factor=8, max_wh=8192), {"url": np.zeros((2048, 2048, 3), np.uint8)})
    assert isinstance(failure, Failed)
    assert failure.code == "bad_input"
    assert "16384×16384" in failure.message


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"grid_wh": 100}, "grid_wh 100 is not a multiple of 8"),
        ({"grid_wh": 64, "padding": 32}, "padding 32 leaves nothing of a tile of 64"),
        ({"sampler": "lcm", "highres_steps": 51}, "highres_steps 51 is too many for sampler 'lcm'; set at most 50"),
        ({"controls": []}, "controls"),
        ({"num_samples": 2}, "num_samples"),
    ],
)
def test_invalid_upscale_tile_params_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        params(**wrong)
    assert message in str(caught.value)


def test_work_counts_the_tiles() -> None:
    assert TILE.needs(params()) == (ModelRef(CHECKPOINT, "toy-sd1"), ModelRef(CONTROLNET, "tile", base="toy-sd1"))
    work = TILE.work(params(highres_steps=36))
    assert (work.pixels, work.images, work.steps) == (512 * 512, 25, 20)
    for length in (500, 512, 513, 2048, 4096):
        work = TILE.work(params(max_wh=length, upscale_factor=1, padding=40))
        assert work.images == len(split_spans(length, 512, 40)) ** 2


def test_too_many_tiles_are_refused(studio: Studio) -> None:
    request = params(max_wh=1024, upscale_factor=1, grid_wh=64, padding=24)
    failed = studio.run(TILE, request, {"url": np.zeros((1024, 1024, 3), np.uint8)})
    assert isinstance(failed, Failed)
    assert failed.code == "bad_input"
    assert "1024×1024, needs 3721 tiles; the limit is 1024" in failed.message
