from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoImageProcessor, AutoModelForDepthEstimation

from models.finite import NotFiniteError
from models.vision.depth import depth_map, normal_map, read_depth_net
from tests.support.nets import spoil

IMAGE = np.random.default_rng(0).integers(0, 256, (80, 96, 3), np.uint8)


def test_depth_equals_transformers(models_dir: Path) -> None:
    folder = models_dir / "toy-depth"
    model = AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True)
    inputs = AutoImageProcessor.from_pretrained(folder, local_files_only=True)(images=IMAGE, return_tensors="pt")
    expected = model(**inputs).predicted_depth[0]
    near = read_depth_net(folder).depth(IMAGE)
    assert (near.min(), near.max()) == (0, 1)
    assert torch.allclose(near, (expected - expected.min()) / (expected.max() - expected.min()), atol=1e-5)
    assert depth_map(near).max() == 255


@pytest.mark.parametrize("height", [1, 3])
def test_depth_of_a_few_rows(models_dir: Path, height: int) -> None:
    folder, rows = models_dir / "toy-depth", np.ascontiguousarray(IMAGE[:height])
    net = read_depth_net(folder)
    model = AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True)
    processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
    expected = model(**processor(images=rows, return_tensors="pt", input_data_format="channels_last")).predicted_depth[
        0
    ]
    expected = (expected - expected.min()) / (expected.max() - expected.min())
    assert torch.allclose(net.depth(rows), expected, atol=1e-5)


def test_file_may_lack_the_weights_that_no_depth_net_uses(models_dir: Path, tmp_path: Path) -> None:
    """The published files of DPT lack them."""
    folder = shutil.copytree(models_dir / "toy-depth", tmp_path / "dpt")
    file = folder / "model.safetensors"
    tensors = load_file(file)
    used = {name: tensor for name, tensor in tensors.items() if "fusion_stage.layers.0.residual_layer1" not in name}
    assert len(used) < len(tensors)
    save_file(used, file, metadata={"format": "pt"})
    assert torch.equal(read_depth_net(folder).depth(IMAGE), read_depth_net(models_dir / "toy-depth").depth(IMAGE))


def test_depth_of_metric_models_is_inverted(models_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models_dir / "toy-depth", tmp_path / "metric")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"depth_estimation_type": "metric"}))
    inverted = read_depth_net(folder).depth(IMAGE)
    assert torch.allclose(inverted, 1 - read_depth_net(models_dir / "toy-depth").depth(IMAGE), atol=1e-5)


def test_normal_map_shows_the_direction_of_a_surface() -> None:
    flat = normal_map(torch.zeros(8, 8))
    assert np.array_equal(flat, np.broadcast_to([128, 128, 255], (8, 8, 3)))
    slope = normal_map(torch.linspace(0, 1, 8).repeat(8, 1))
    assert (slope[:, :, 0] > 240).all()
    assert (slope[:, :, 1] == 128).all()


def test_depth_refuses_nan(models_dir: Path) -> None:
    net = read_depth_net(models_dir / "toy-depth")
    spoil(net)
    with pytest.raises(NotFiniteError, match="the depth estimator returned NaN or infinity"):
        net.depth(IMAGE)
