"""Tasks that see a picture beside their text, against diffusers' own pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
from PIL import Image

from models.kinds.checkpoint import CHECKPOINT
from models.kinds.ip_adapter import IP_ADAPTER
from models.kinds.kind import ModelRef
from pipelines.erase import EraseParams
from pipelines.inpaint import Inpaint
from pipelines.txt2img import Txt2Img
from tests.pipelines.conftest import Studio, images_of
from tests.pipelines.engine.test_engine import SIDE, Stock, difference, wish
from tests.pipelines.test_control import DISC, PICTURE

TXT2IMG = Txt2Img()
SEEN = {"ip_adapter.url": PICTURE}


def seeing(**changes: Any) -> dict[str, Any]:
    return {"url": "http://example.com/seen.png", **changes}


@pytest.mark.parametrize(
    ("model", "adapter", "kind"),
    [
        ("toy-sd1", "toy-ip", diffusers.StableDiffusionPipeline),
        ("toy-sd1", "toy-ip-plus", diffusers.StableDiffusionPipeline),
        ("toy-sdxl", "toy-ip-xl", diffusers.StableDiffusionXLPipeline),
    ],
)
def test_a_mixed_batch_equals_diffusers_alone(
    studio: Studio, models_dir: Path, model: str, adapter: str, kind: Any
) -> None:
    """Scales, samplers and guidance differ, and others step beside them that see nothing."""
    stock = Stock(kind, models_dir / model)
    stock._pipe.load_ip_adapter(
        str(models_dir), subfolder="", weight_name=f"{adapter}.safetensors", image_encoder_folder="./toy-clip-vision"
    )
    wishes = {
        name: wish(index, model, sampler=name, ip_adapter=seeing(model=adapter, scale=0.3 + 0.2 * index))
        for index, name in enumerate(("euler", "dpmpp_2m", "ddim", "unipc"))
    }
    for index, (name, wanted) in enumerate(wishes.items()):
        studio.engine.add(f"blind {name}", TXT2IMG, wish(index, model), {})
        studio.engine.add(name, TXT2IMG, wanted, SEEN)
    made = images_of(studio.events())
    for name, wanted in wishes.items():
        stock._pipe.set_ip_adapter_scale(wanted.ip_adapter.scale)
        expected = stock.image(wanted, width=SIDE, height=SIDE, ip_adapter_image=Image.fromarray(PICTURE))
        assert difference(made[name][0], expected) <= 1, name
        assert difference(made[name][0], made[f"blind {name}"][0]) > 8, name


def test_what_the_adapter_is_called(studio: Studio) -> None:
    assert TXT2IMG.needs(wish(0, ip_adapter=seeing())) == (
        ModelRef(CHECKPOINT, "toy-sd1"),
        ModelRef(IP_ADAPTER, base="toy-sd1"),
    )
    assert TXT2IMG.needs(wish(0, ip_adapter=seeing(model="toy-ip-plus")))[1] == ModelRef(IP_ADAPTER, "toy-ip-plus")
    erasing = EraseParams(url="a", mask_url="b", model="sd", version="toy-sd1", ip_adapter=seeing())
    assert erasing.diffusion_params is not None
    assert erasing.diffusion_params.extra_models == (ModelRef(IP_ADAPTER, base="toy-sd1"),)


def test_tasks_that_paint_over_a_picture_see_another_too(studio: Studio) -> None:
    wanted: dict[str, Any] = {"url": "a", "mask_url": "b", "text": "x", "model": "toy-sd1", "seed": 3, "num_steps": 2}
    given = {"url": PICTURE, "mask_url": np.where(DISC, 255, 0).astype(np.uint8).repeat(3, axis=2), **SEEN}
    one, other = (
        studio.image(Inpaint(), Inpaint.Params(**wanted, ip_adapter=seeing(scale=scale)), given) for scale in (0, 1)
    )
    assert difference(one, other) > 8
