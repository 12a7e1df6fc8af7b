"""Levers are off unless they are asked for, and reach the engine if they are."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from models.checkpoint import Checkpoint
from pipelines.txt2img import Txt2ImgParams


def test_off_by_default(sd1: Checkpoint) -> None:
    params = Txt2ImgParams(text="a boat", seed=1)
    wish = params.denoise(sd1, params.noises()[0], 64, 64)
    assert (wish.guidance_interval, wish.strict) == ((0.0, 1.0), False)


def test_they_reach_the_engine(sd1: Checkpoint) -> None:
    params = Txt2ImgParams(text="a boat", seed=1, guidance_interval=(0.1, 0.8), determinism="strict")
    wish = params.denoise(sd1, params.noises()[0], 64, 64)
    assert (wish.guidance_interval, wish.strict) == ((0.1, 0.8), True)


def test_an_empty_interval_is_refused_with_advice() -> None:
    with pytest.raises(ValidationError, match=r"begin below end, or guidance_scale 1"):
        Txt2ImgParams(text="a boat", guidance_interval=(0.5, 0.5))
