from __future__ import annotations

from typing import Any

import numpy as np

from models.patches.token_merging import TokenMerging
from pipelines.engine.engine import Engine
from pipelines.params.token_merging import TomeInfo
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import images_of, run_dry


def generate(engine: Engine, **changes: Any) -> list[np.ndarray]:
    values = {"text": "a red house", "model": "toy-sd1", "w": 64, "h": 64, "num_steps": 3, "seed": 5}
    engine.add("one", Txt2Img(), Txt2Img.Params(**values | changes), {})
    return images_of(run_dry(engine))["one"]


def patch_of(info: TomeInfo) -> TokenMerging | None:
    no_models: Any = None
    return info.denoiser_patch("toy-sd1", no_models, {})


def test_tome_info_becomes_a_patch() -> None:
    assert patch_of(TomeInfo()) is None
    assert patch_of(TomeInfo(enable=True)) == TokenMerging(0.5, 1, 2, 2, 0, True, False, False)
    values: dict[str, Any] = {"enable": True, "ratio": 0.2, "sx": 4, "use_rand": False, "merge_mlp": True}
    assert patch_of(TomeInfo(**values)) == TokenMerging(0.2, 1, 4, 2, None, True, False, True)


def test_merged_image_differs_slightly(engine: Engine) -> None:
    plain = generate(engine)[0].astype(int)
    merged = generate(engine, tome_info={"enable": True})[0]
    assert 0 < np.abs(merged - plain).mean() < 48
    assert np.array_equal(generate(engine, tome_info={"enable": False})[0], plain)
    assert np.array_equal(generate(engine, tome_info={"enable": True, "ratio": 0})[0], plain)
