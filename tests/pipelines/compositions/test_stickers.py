from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from models.toy.drawing import draw
from models.toy.world import Scene, Thing
from pipelines.compositions.stickers import Stickers
from pipelines.engine.events import Finished
from tests.pipelines.conftest import Studio

STICKERS = Stickers()
TWO = [Thing("house", "red", "", "", 0.25, 0.5, 0.4), Thing("star", "yellow", "", "", 0.75, 0.5, 0.3)]
PICTURE = np.array(draw(Scene(TWO, "on a white background", "flat", 1), 128))


def params(**changes: object) -> Stickers.Params:
    return Stickers.Params.model_validate({"url": "https://example.com/a.png", **changes})


def test_each_thing_of_a_picture_is_a_sticker(studio: Studio) -> None:
    finished = studio.run(STICKERS, params(border=3, min_area=0.01), {"url": PICTURE})
    assert isinstance(finished, Finished)
    house, star = finished.result.images
    assert house[house.shape[0] // 2, house.shape[1] // 2, 3] == 255
    red, yellow = (each[each[:, :, 3] == 255][:, :3].mean(axis=0) for each in (house, star))
    assert red[0] > red[1] + 30
    assert yellow[1] > yellow[2] + 20


def test_transparent_ground_needs_no_matting(studio: Studio) -> None:
    alpha = np.zeros((128, 128), np.uint8)
    alpha[20:60, 20:60] = 255
    result = studio.image(STICKERS, params(border=0), {"url": np.dstack([PICTURE, alpha])})
    assert np.array_equal(result[1:-1, 1:-1, :3], PICTURE[20:60, 20:60])


@pytest.mark.parametrize("wrong", [{"border": 200}, {"colour": "white"}, {"count": 0}, {"min_area": 2}])
def test_wrong_params_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        params(**wrong)
