import json

import pytest
import torch
from diffusers import UNet2DConditionModel

from models.files.ema_names import plain_unet_name
from models.weights import CONFIGS
from tests.support.ldm_layout import unet_to_ldm


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_every_name_of_a_published_unet_gets_its_dots_back(family: str) -> None:
    with torch.device("meta"):
        net = UNet2DConditionModel.from_config(json.loads((CONFIGS / family / "unet" / "config.json").read_text()))
    names = unet_to_ldm(net.state_dict(), layers=2)
    assert len(names) > 600
    stored = {"model_ema.diffusion_model" + name.replace(".", ""): name for name in names}
    assert {name: plain_unet_name(name) for name in stored} == stored


@pytest.mark.parametrize(
    "name",
    ["model_ema.decay", "model_ema.num_updates", "model.diffusion_model.out.0.weight", "model_ema.diffusion_modelxout"],
)
def test_other_names_are_none_of_a_unet(name: str) -> None:
    assert plain_unet_name(name) is None
