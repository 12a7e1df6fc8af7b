"""The recipe of image to image, run by the engine on a toy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipelines.engine.engine import Engine
from pipelines.img2img import Img2Img
from tests.pipelines.conftest import images_of, run_dry


def picture(width: int, height: int, channels: int = 3) -> np.ndarray:
    rows, columns = np.mgrid[:height, :width]
    planes = [rows * 255 // height, columns * 255 // width, np.full_like(rows, 128), np.full_like(rows, 200)]
    return np.stack(planes[:channels], axis=-1).astype(np.uint8)


def made(engine: Engine, source: np.ndarray, **changes: Any) -> np.ndarray:
    given = {"text": "a boat", "model": "toy-sd1", "num_steps": 4, "seed": 5, "url": "x", **changes}
    engine.add("one", Img2Img(), Img2Img.Params.model_validate(given), {"url": source})
    return images_of(run_dry(engine))["one"][0]


@pytest.mark.parametrize(
    ("source", "changes", "expected"),
    [
        ((72, 80), {}, (80, 72)),
        ((70, 83), {}, (83, 70)),
        ((128, 64), {"max_wh": 96}, (64, 96)),
        ((64, 64), {"wh": [96, 72]}, (72, 96)),
    ],
)
def test_the_result_has_the_size_of_the_source_as_far_as_it_may(
    engine: Engine, source: tuple[int, int], changes: dict[str, Any], expected: tuple[int, int]
) -> None:
    assert made(engine, picture(*source), **changes).shape[:2] == expected


def test_alpha_is_kept_unless_it_is_not_wanted(engine: Engine) -> None:
    source = picture(64, 64, 4)
    assert np.array_equal(made(engine, source)[:, :, 3], source[:, :, 3])
    assert made(engine, source, keep_alpha=False).shape == (64, 64, 3)


def test_the_higher_the_fidelity_the_closer_to_the_source(engine: Engine) -> None:
    source = picture(64, 64)
    distances = [
        np.abs(made(engine, source, fidelity=fidelity, num_steps=20).astype(int) - source).mean()
        for fidelity in (0.0, 0.5, 0.9)
    ]
    assert distances == sorted(distances, reverse=True)


def test_full_fidelity_returns_the_source_as_the_autoencoder_sees_it(engine: Engine) -> None:
    source = picture(64, 64)
    whole = [made(engine, source, fidelity=1.0, text=text) for text in ("a boat", "a cat")]
    assert np.array_equal(*whole)
