"""Token merging as tasks ask for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from models.patches.token_merging import TokenMerging
from pipelines.engine.engine import Engine
from pipelines.params.token_merging import TomeInfo
from tests.pipelines.test_txt2img import made


def merging(info: TomeInfo) -> TokenMerging | None:
    no_models: Any = None
    return info.denoiser_patch("toy-sd1", no_models, {})


def test_tome_info_becomes_a_patch() -> None:
    assert merging(TomeInfo()) is None
    assert merging(TomeInfo(enable=True)) == TokenMerging(0.5, 1, 2, 2, 0, True, False, False)
    asked: dict[str, Any] = {"enable": True, "ratio": 0.2, "sx": 4, "use_rand": False, "merge_mlp": True}
    assert merging(TomeInfo(**asked)) == TokenMerging(0.2, 1, 4, 2, None, True, False, True)


def test_merged_image_differs_slightly(engine: Engine) -> None:
    plain = made(engine)[0].astype(int)
    merged = made(engine, tome_info={"enable": True})[0]
    assert 0 < np.abs(merged - plain).mean() < 48
    assert np.array_equal(made(engine, tome_info={"enable": False})[0], plain)
    assert np.array_equal(made(engine, tome_info={"enable": True, "ratio": 0})[0], plain)
