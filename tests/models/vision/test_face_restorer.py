from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from spandrel import ImageModelDescriptor, SizeRequirements
from spandrel.architectures.GFPGAN import GFPGAN, GFPGANArch

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.vision import face_restorer, upscaler
from models.vision.face_restorer import FaceRestorer
from models.vision.spandrel_net import NetError
from tests.support.faces import restorer_weights

CPU = torch.device("cpu")
CROP = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)


@pytest.fixture
def entry(tmp_path: Path) -> ModelEntry:
    file = tmp_path / "restore.safetensors"
    save_file(restorer_weights(), file)
    return ModelEntry(name="restore", path=file, family="face_fix", bytes=file.stat().st_size)


def test_restoreformer_is_restored_as_spandrel_does(entry: ModelEntry) -> None:
    net = face_restorer.read_net(entry)
    assert isinstance(net, ImageModelDescriptor)
    net.eval()
    small = CROP[:64, :64]
    planes = torch.from_numpy(small).permute(2, 0, 1)[None].contiguous() / 255
    with torch.inference_mode():
        expected = (net(planes).clamp(0, 1) * 255).round()[0].permute(1, 2, 0).to(torch.uint8).numpy()
    assert np.array_equal(face_restorer.load(entry, CPU, torch.float32).restore(small), expected)


def test_gfpgan_takes_and_returns_levels_around_zero_and_draws_no_noise(entry: ModelEntry) -> None:
    torch.manual_seed(0)
    net = GFPGAN(narrow=0.0625, channel_multiplier=1, num_style_feat=16)
    descriptor = ImageModelDescriptor(
        net,
        net.state_dict(),
        architecture=GFPGANArch(),
        purpose="FaceSR",
        tags=[],
        supports_half=False,
        supports_bfloat16=True,
        scale=1,
        input_channels=3,
        output_channels=3,
        size_requirements=SizeRequirements(minimum=512),
        call_fn=lambda model, image: model(image)[0],
    )
    restorer = FaceRestorer(entry, descriptor, torch.float16)
    assert restorer.dtype == torch.float32
    planes = torch.from_numpy(CROP).permute(2, 0, 1)[None].contiguous() / 127.5 - 1
    with torch.inference_mode():
        output = net(planes, return_rgb=False, randomize_noise=False)[0]
    expected = ((output + 1) / 2).clamp(0, 1) * 255
    restored = restorer.restore(CROP)
    assert np.abs(restored - expected[0].permute(1, 2, 0).detach().numpy()).max() <= 0.51
    assert np.array_equal(restorer.restore(CROP), restored)


def test_other_nets_are_refused(entry: ModelEntry, toys: Catalog) -> None:
    with pytest.raises(NetError, match="is a net of RestoreFormer for FaceSR, not one that enlarges"):
        upscaler.load(entry.model_copy(update={"family": "upscaler"}), CPU, torch.float32)
    with pytest.raises(NetError, match="not one that restores faces; give GFPGAN or RestoreFormer"):
        face_restorer.load(toys.find("esr").model_copy(update={"family": "face_fix"}), CPU, torch.float32)
