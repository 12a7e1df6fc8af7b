from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models.kinds.kind import ModelRef
from models.kinds.matting import MATTING
from models.toy.drawing import draw, silhouette
from models.toy.world import Scene, Thing
from pipelines.cutout import CutOut
from pipelines.engine.events import Failed
from tests.pipelines.conftest import Studio

CUT_OUT = CutOut()
SCENE = Scene([Thing("balloon", "red", "", "", 0.5, 0.5, 0.7)], "on the grass", "flat", 1)
OBJECT = np.asarray(silhouette(SCENE, 64)) > 127


def params(**changes: Any) -> CutOut.Params:
    return CutOut.Params.model_validate({"url": "https://example.com/a.png", **changes})


def picture() -> np.ndarray:
    return np.array(draw(SCENE, 64))


def alpha(studio: Studio) -> np.ndarray:
    with studio.held("matting") as handle:
        return handle.get(ModelRef(MATTING, "matting")).alpha(picture())


def test_background_becomes_transparent(studio: Studio) -> None:
    result = studio.image(CUT_OUT, params(), {"url": picture()})
    assert np.array_equal(result[:, :, :3], picture())
    assert np.array_equal(result[:, :, 3], alpha(studio))
    assert ((result[:, :, 3] > 127) == OBJECT).mean() > 0.95


def test_output_alpha_is_the_mask(studio: Studio) -> None:
    result = studio.image(CUT_OUT, params(output="alpha"), {"url": picture()})
    assert np.array_equal(result, np.dstack([alpha(studio)] * 3))


def test_threshold_makes_the_mask_binary(studio: Studio) -> None:
    result = studio.image(CUT_OUT, params(output="alpha", threshold=200), {"url": picture()})
    assert np.array_equal(result[:, :, 0], np.where(alpha(studio) >= 200, 255, 0))


def test_background_colour_replaces_transparency(studio: Studio) -> None:
    result = studio.image(CUT_OUT, params(background="#ff8000", threshold=128), {"url": picture()})
    opaque = alpha(studio) >= 128
    assert (result[~opaque] == (255, 128, 0)).all()
    assert np.array_equal(result[opaque], picture()[opaque])


def test_transparent_parts_stay_transparent(studio: Studio) -> None:
    original_alpha = np.full((64, 64), 255, np.uint8)
    original_alpha[:, 32:] = 0
    white = picture()
    white[:, 32:] = 255  # the transparent half counts as white
    with studio.held("matting") as handle:
        alpha_of_white = handle.get(ModelRef(MATTING, "matting")).alpha(white)
    result = studio.image(CUT_OUT, params(), {"url": np.dstack([picture(), original_alpha])})
    assert not result[:, 32:, 3].any()
    assert np.array_equal(result[:, :32, 3], alpha_of_white[:, :32])


def test_model_that_cannot_cut_out_is_refused(studio: Studio) -> None:
    failed = studio.run(CUT_OUT, params(model="toy-sd1"), {"url": picture()})
    assert isinstance(failed, Failed)
    assert (failed.code, "cannot cut out" in failed.message) == ("bad_input", True)


@pytest.mark.parametrize("wrong", [{"output": "both"}, {"background": "red"}, {"threshold": 0}, {"url": ""}])
def test_invalid_cutout_params_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        params(**wrong)
