from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.imaging.pixels import area_coverage, flatten_alpha, resize, resize_area
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.eraser import ERASER
from models.kinds.kind import ModelRef
from pipelines.engine.events import Failed
from pipelines.erase import Erase
from pipelines.inpaint import Inpaint
from tests.pipelines.conftest import Studio

ERASE = Erase()
HOLE = np.zeros((48, 64), bool)
HOLE[10:25, 20:41] = True


def params(**changes: Any) -> Erase.Params:
    urls = {"url": "https://example.com/a.png", "mask_url": "https://example.com/b.png"}
    return Erase.Params.model_validate({**urls, **changes})


def picture(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 64, channels), dtype=np.uint8)


def white_on_black(hole: np.ndarray) -> np.ndarray:
    return np.dstack([hole.astype(np.uint8) * 255] * 3)


def opaque_on_nothing(hole: np.ndarray) -> np.ndarray:
    """Faintly, and in any colour: what is not quite transparent is erased."""
    return np.dstack([picture(), hole.astype(np.uint8)])


def opaque_black_and_white(hole: np.ndarray) -> np.ndarray:
    return np.dstack([white_on_black(hole), np.full_like(hole, 255, np.uint8)])


def filled(studio: Studio, pixels: np.ndarray, hole: np.ndarray) -> np.ndarray:
    with studio.held("lama") as hold:
        return hold.get(ModelRef(ERASER, "lama")).fill(pixels, hole)


def test_the_defaults_of_the_api_we_replace() -> None:
    asked = params()
    assert (asked.max_wh, asked.refine_fidelity, asked.use_refine, asked.use_pipeline) == (832, 0.2, False, False)
    assert ERASE.needs(params(version="v1.5", seed=7, num_steps=30, sampler="k_euler", text="")) == (
        ModelRef(ERASER, "lama"),
    )


@pytest.mark.parametrize("mark", [white_on_black, opaque_on_nothing, opaque_black_and_white])
def test_what_the_mask_covers_is_filled_and_nothing_else_touched(studio: Studio, mark: Any) -> None:
    made = studio.image(ERASE, params(), {"url": picture(), "mask_url": mark(HOLE)})
    assert np.array_equal(made, filled(studio, picture(), HOLE))
    assert np.array_equal(made[~HOLE], picture()[~HOLE])
    assert (made[HOLE] != picture()[HOLE]).any(axis=1).mean() > 0.9


def test_the_noise_of_a_jpeg_mask_erases_nothing(studio: Studio) -> None:
    noisy = np.where(white_on_black(HOLE) > 0, 240, 12).astype(np.uint8)
    made = studio.image(ERASE, params(), {"url": picture(), "mask_url": noisy})
    assert np.array_equal(made[~HOLE], picture()[~HOLE])


def test_alpha_and_hidden_colours_are_left_alone(studio: Studio) -> None:
    pixels = picture(channels=4)
    made = studio.image(ERASE, params(), {"url": pixels, "mask_url": white_on_black(HOLE)})
    assert np.array_equal(made[~HOLE], pixels[~HOLE])
    assert np.array_equal(made[:, :, 3], pixels[:, :, 3])
    assert np.array_equal(made[HOLE, :3], filled(studio, flatten_alpha(pixels)[0], HOLE)[HOLE])


def test_a_mask_of_another_size_is_stretched(studio: Studio) -> None:
    small = np.zeros((12, 16), bool)
    small[3:6, 5:10] = True
    large = small.repeat(4, axis=0).repeat(4, axis=1)
    made = studio.image(ERASE, params(), {"url": picture(), "mask_url": white_on_black(small)})
    assert np.array_equal(made, studio.image(ERASE, params(), {"url": picture(), "mask_url": white_on_black(large)}))
    assert np.array_equal(made[~large], picture()[~large])


def test_a_large_picture_keeps_its_pixels_and_its_size(studio: Studio) -> None:
    pixels, hole = (array.repeat(2, axis=0).repeat(2, axis=1) for array in (picture(), HOLE))
    made = studio.image(ERASE, params(max_wh=77), {"url": pixels, "mask_url": white_on_black(hole)})
    assert np.array_equal(made[~hole], pixels[~hole])
    small = filled(studio, resize_area(pixels, 77, 58), area_coverage(hole, 77, 58) > 0)
    assert np.array_equal(made[hole], resize(small, 128, 96)[hole])


def test_nothing_of_what_is_erased_leaks_into_a_smaller_fill(studio: Studio) -> None:
    one, other = picture(), picture()
    other[HOLE] = 255 - other[HOLE]
    made = [
        studio.image(
            ERASE,
            params(max_wh=64),
            {
                "url": np.pad(pixels, ((0, 53), (0, 37), (0, 0))),
                "mask_url": np.pad(white_on_black(HOLE), ((0, 53), (0, 37), (0, 0))),
            },
        )
        for pixels in (one, other)
    ]
    assert np.array_equal(*made)


def test_an_empty_mask_is_refused(studio: Studio) -> None:
    for mask in (np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64, 4), np.uint8)):
        failed = studio.run(ERASE, params(), {"url": picture(), "mask_url": mask})
        assert isinstance(failed, Failed)
        assert (failed.code, "the mask is empty" in failed.message) == ("bad_input", True)


def test_a_model_that_does_not_erase_is_refused(studio: Studio) -> None:
    failed = studio.run(ERASE, params(model="toy-sd1"), {"url": picture(), "mask_url": white_on_black(HOLE)})
    assert isinstance(failed, Failed)
    assert (failed.code, "cannot erase" in failed.message) == ("bad_input", True)


def test_stable_diffusion_fills_the_hole_as_inpainting_without_a_prompt(studio: Studio) -> None:
    given = {"url": picture(), "mask_url": white_on_black(HOLE)}
    made = studio.image(ERASE, params(model="sd", seed=5, num_steps=3), given)
    painting = {"text": "", "seed": 5, "num_steps": 3, "keep_original": True, "keep_original_num_fade_pixels": None}
    asked = Inpaint.Params.model_validate({"url": "x", "mask_url": "x", "model": "", **painting})
    assert np.array_equal(made, studio.image(Inpaint(), asked, given))
    assert np.array_equal(made[~HOLE], picture()[~HOLE])
    assert (made[HOLE] != picture()[HOLE]).any(axis=1).mean() > 0.9


@pytest.mark.parametrize("asked", [{"use_refine": True}, {"use_pipeline": True}])
def test_what_lama_filled_is_gone_over_more_or_less_closely(studio: Studio, asked: dict[str, object]) -> None:
    given = {"url": picture(), "mask_url": white_on_black(HOLE)}
    plain = studio.image(ERASE, params(), given).astype(int)

    def distance(fidelity: float) -> float:
        wanted = params(**asked, seed=5, num_steps=20, refine_fidelity=fidelity)
        made = studio.image(ERASE, wanted, given)
        assert np.array_equal(made[~HOLE], picture()[~HOLE])
        return float(np.abs(made.astype(int) - plain)[HOLE].mean())

    assert 0 < distance(0.95) < distance(0.0)


def test_the_models_that_are_needed() -> None:
    assert ERASE.needs(params(model="sd", version="art")) == (ModelRef(CHECKPOINT, "art", inpainting=True),)
    assert ERASE.needs(params(use_refine=True)) == (ModelRef(ERASER, "lama"), ModelRef(CHECKPOINT, inpainting=True))
    assert ERASE.work(params(model="sd", num_steps=30)).steps == 30


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"refine_fidelity": 1}, "less than 1"),
        ({"num_samples": 2}, "less than or equal to 1"),
        ({"max_wh": 4096}, "less than or equal to 2048"),
        ({"mask_url": ""}, "at least 1 character"),
        ({"strength": 0.5}, "Extra inputs are not permitted"),
    ],
)
def test_bad_parameters_are_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError) as caught:
        params(**wrong)
    assert says in str(caught.value)
