import pytest
import torch
from diffusers import ControlNetModel, UNet2DConditionModel

from models.toy.full_size import _config


@pytest.mark.parametrize(("family", "millions"), [("sd1", 859.5), ("sdxl", 2567.5)])
def test_denoisers_have_published_size(family: str, millions: float) -> None:
    with torch.device("meta"):
        net = UNet2DConditionModel.from_config(_config(family, "unet"))
    assert sum(weights.numel() for weights in net.parameters()) / 1e6 == pytest.approx(millions, abs=0.5)


def test_controlnet_has_published_size() -> None:
    with torch.device("meta"):
        net = ControlNetModel.from_unet(
            UNet2DConditionModel.from_config(_config("sd1", "unet")), load_weights_from_unet=False
        )
    assert sum(weights.numel() for weights in net.parameters()) / 1e6 == pytest.approx(361.3, abs=0.5)
