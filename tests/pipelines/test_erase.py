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
MASK = np.zeros((48, 64), bool)
MASK[10:25, 20:41] = True


def params(**changes: Any) -> Erase.Params:
    urls = {"url": "https://example.com/a.png", "mask_url": "https://example.com/b.png"}
    return Erase.Params.model_validate({**urls, **changes})


def picture(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 64, channels), dtype=np.uint8)


def white_on_black(mask: np.ndarray) -> np.ndarray:
    return np.dstack([mask.astype(np.uint8) * 255] * 3)


def opaque_on_transparent(mask: np.ndarray) -> np.ndarray:
    """An alpha of 1 and any colour: everything that is not fully transparent is erased."""
    return np.dstack([picture(), mask.astype(np.uint8)])


def opaque_black_and_white(mask: np.ndarray) -> np.ndarray:
    return np.dstack([white_on_black(mask), np.full_like(mask, 255, np.uint8)])


def filled(studio: Studio, pixels: np.ndarray, mask: np.ndarray) -> np.ndarray:
    with studio.held("lama") as handle:
        return handle.get(ModelRef(ERASER, "lama")).fill(pixels, mask)


def test_defaults_are_those_of_the_replaced_api() -> None:
    request = params()
    assert (request.max_wh, request.refine_fidelity) == (832, 0.2)
    assert (request.use_refine, request.use_pipeline) == (False, False)
    assert ERASE.needs(params(version="v1.5", seed=7, num_steps=30, sampler="k_euler", text="")) == (
        ModelRef(ERASER, "lama"),
    )


@pytest.mark.parametrize("draw_mask", [white_on_black, opaque_on_transparent, opaque_black_and_white])
def test_only_masked_pixels_are_filled(studio: Studio, draw_mask: Any) -> None:
    result = studio.image(ERASE, params(), {"url": picture(), "mask_url": draw_mask(MASK)})
    assert np.array_equal(result, filled(studio, picture(), MASK))
    assert np.array_equal(result[~MASK], picture()[~MASK])
    assert (result[MASK] != picture()[MASK]).any(axis=1).mean() > 0.9


def test_noise_of_a_jpeg_mask_erases_nothing(studio: Studio) -> None:
    noisy = np.where(white_on_black(MASK) > 0, 240, 12).astype(np.uint8)
    result = studio.image(ERASE, params(), {"url": picture(), "mask_url": noisy})
    assert np.array_equal(result[~MASK], picture()[~MASK])


def test_alpha_and_hidden_colours_stay(studio: Studio) -> None:
    pixels = picture(channels=4)
    result = studio.image(ERASE, params(), {"url": pixels, "mask_url": white_on_black(MASK)})
    assert np.array_equal(result[~MASK], pixels[~MASK])
    assert np.array_equal(result[:, :, 3], pixels[:, :, 3])
    assert np.array_equal(result[MASK, :3], filled(studio, flatten_alpha(pixels)[0], MASK)[MASK])


def test_mask_of_another_size_is_stretched(studio: Studio) -> None:
    small = np.zeros((12, 16), bool)
    small[3:6, 5:10] = True
    large = small.repeat(4, axis=0).repeat(4, axis=1)
    result = studio.image(ERASE, params(), {"url": picture(), "mask_url": white_on_black(small)})
    assert np.array_equal(result, studio.image(ERASE, params(), {"url": picture(), "mask_url": white_on_black(large)}))
    assert np.array_equal(result[~large], picture()[~large])


def test_large_picture_keeps_its_pixels_and_its_size(studio: Studio) -> None:
    pixels, mask = (array.repeat(2, axis=0).repeat(2, axis=1) for array in (picture(), MASK))
    result = studio.image(ERASE, params(max_wh=77), {"url": pixels, "mask_url": white_on_black(mask)})
    assert np.array_equal(result[~mask], pixels[~mask])
    small = filled(studio, resize_area(pixels, 77, 58), area_coverage(mask, 77, 58) > 0)
    assert np.array_equal(result[mask], resize(small, 128, 96)[mask])


def test_erased_pixels_do_not_leak_into_a_smaller_fill(studio: Studio) -> None:
    plain, changed = picture(), picture()
    changed[MASK] = 255 - changed[MASK]
    result = [
        studio.image(
            ERASE,
            params(max_wh=64),
            {
                "url": np.pad(pixels, ((0, 53), (0, 37), (0, 0))),
                "mask_url": np.pad(white_on_black(MASK), ((0, 53), (0, 37), (0, 0))),
            },
        )
        for pixels in (plain, changed)
    ]
    assert np.array_equal(*result)


def test_empty_mask_is_refused(studio: Studio) -> None:
    for mask in (np.zeros((48, 64, 3), np.uint8), np.zeros((48, 64, 4), np.uint8)):
        failed = studio.run(ERASE, params(), {"url": picture(), "mask_url": mask})
        assert isinstance(failed, Failed)
        assert (failed.code, "the mask is empty" in failed.message) == ("bad_input", True)


def test_model_that_cannot_erase_is_refused(studio: Studio) -> None:
    failed = studio.run(ERASE, params(model="toy-sd1"), {"url": picture(), "mask_url": white_on_black(MASK)})
    assert isinstance(failed, Failed)
    assert (failed.code, "cannot erase" in failed.message) == ("bad_input", True)


def test_model_sd_equals_inpainting_without_a_prompt(studio: Studio) -> None:
    images = {"url": picture(), "mask_url": white_on_black(MASK)}
    result = studio.image(ERASE, params(model="sd", seed=5, num_steps=3), images)
    inpaint = {"text": "", "seed": 5, "num_steps": 3, "keep_original": True, "keep_original_num_fade_pixels": None}
    request = Inpaint.Params.model_validate({"url": "x", "mask_url": "x", "model": "", **inpaint})
    assert np.array_equal(result, studio.image(Inpaint(), request, images))
    assert np.array_equal(result[~MASK], picture()[~MASK])
    assert (result[MASK] != picture()[MASK]).any(axis=1).mean() > 0.9


@pytest.mark.parametrize("changes", [{"use_refine": True}, {"use_pipeline": True}])
def test_refining_follows_the_fill_by_refine_fidelity(studio: Studio, changes: dict[str, object]) -> None:
    images = {"url": picture(), "mask_url": white_on_black(MASK)}
    plain = studio.image(ERASE, params(), images).astype(int)

    def distance(fidelity: float) -> float:
        request = params(**changes, seed=5, num_steps=20, refine_fidelity=fidelity)
        result = studio.image(ERASE, request, images)
        assert np.array_equal(result[~MASK], picture()[~MASK])
        return float(np.abs(result.astype(int) - plain)[MASK].mean())

    assert 0 < distance(0.95) < distance(0.0)


def test_needs_depend_on_model_and_refining() -> None:
    assert ERASE.needs(params(model="sd", version="art")) == (ModelRef(CHECKPOINT, "art", inpainting=True),)
    assert ERASE.needs(params(use_refine=True)) == (ModelRef(ERASER, "lama"), ModelRef(CHECKPOINT, inpainting=True))
    assert ERASE.work(params(model="sd", num_steps=30)).steps == 30


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"refine_fidelity": 1}, "less than 1"),
        ({"num_samples": 2}, "less than or equal to 1"),
        ({"max_wh": 4096}, "less than or equal to 2048"),
        ({"mask_url": ""}, "at least 1 character"),
        ({"strength": 0.5}, "Extra inputs are not permitted"),
    ],
)
def test_invalid_erase_params_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        params(**wrong)
    assert message in str(caught.value)
