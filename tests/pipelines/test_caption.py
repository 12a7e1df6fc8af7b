from __future__ import annotations

import numpy as np
import pytest

from models.imaging.pixels import shrink
from models.kinds.captioner import CAPTIONER
from models.kinds.kind import ModelRef
from pipelines.caption import Caption
from pipelines.engine.events import Failed, Finished
from tests.pipelines.conftest import Studio

CAPTION = Caption()


def picture(channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (90, 120, channels), dtype=np.uint8)


def expected_caption(studio: Studio, pixels: np.ndarray) -> str:
    with studio.held("captioner") as handle:
        captioner = handle.get(ModelRef(CAPTIONER, "captioner"))
        return captioner.text(list(captioner.tokens(pixels)))


def answer(studio: Studio, pixels: np.ndarray, **params: object) -> object:
    request = CAPTION.Params.model_validate({"url": "https://example.com/a.png", **params})
    finished = studio.run(CAPTION, request, {"url": pixels})
    assert isinstance(finished, Finished), finished
    assert not finished.result.images
    return finished.result.answer


def test_answer_is_the_caption(studio: Studio) -> None:
    assert answer(studio, picture()) == {"text": expected_caption(studio, picture())}


def test_large_picture_is_shrunk_first(studio: Studio) -> None:
    assert answer(studio, picture(), max_wh=64) == {"text": expected_caption(studio, shrink(picture(), 64))}


def test_transparent_pixels_count_as_white(studio: Studio) -> None:
    pixels = picture(channels=4)
    pixels[:, :, 3] = 0
    assert answer(studio, pixels) == {"text": expected_caption(studio, np.full((90, 120, 3), 255, np.uint8))}


def test_other_tasks_step_between_tokens(studio: Studio) -> None:
    request = CAPTION.Params.model_validate({"url": "https://example.com/a.png"})
    studio.engine.add("task", CAPTION, request, {"url": picture()})
    steps = 0
    while studio.engine.busy:
        steps += 1
        studio.engine.step()
    assert steps > 5


@pytest.mark.parametrize("model", ["toy-sd1", "enhancer"])
def test_model_that_cannot_describe_is_refused(studio: Studio, model: str) -> None:
    request = CAPTION.Params.model_validate({"url": "https://example.com/a.png", "model": model})
    failed = studio.run(CAPTION, request, {"url": picture()})
    assert isinstance(failed, Failed)
    assert (failed.code, "cannot describe an image" in failed.message) == ("bad_input", True)
