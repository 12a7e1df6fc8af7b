from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from transformers import AutoImageProcessor, AutoModelForDepthEstimation

from models.vision.depth import depth_map, normal_map, read_depth_net

PICTURE = np.random.default_rng(0).integers(0, 256, (80, 96, 3), np.uint8)


def test_depth_is_that_of_transformers(models_dir: Path) -> None:
    folder = models_dir / "toy-depth"
    model = AutoModelForDepthEstimation.from_pretrained(folder, local_files_only=True)
    given = AutoImageProcessor.from_pretrained(folder, local_files_only=True)(images=PICTURE, return_tensors="pt")
    expected = model(**given).predicted_depth[0]
    near = read_depth_net(folder).depth(PICTURE)
    assert (near.min(), near.max()) == (0, 1)
    assert torch.allclose(near, (expected - expected.min()) / (expected.max() - expected.min()), atol=1e-5)
    assert depth_map(near).max() == 255


def test_distances_are_turned_around(models_dir: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(models_dir / "toy-depth", tmp_path / "metric")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"depth_estimation_type": "metric"}))
    turned = read_depth_net(folder).depth(PICTURE)
    assert torch.allclose(turned, 1 - read_depth_net(models_dir / "toy-depth").depth(PICTURE), atol=1e-5)


def test_normals_show_where_a_surface_faces() -> None:
    flat = normal_map(torch.zeros(8, 8))
    assert np.array_equal(flat, np.broadcast_to([128, 128, 255], (8, 8, 3)))
    slope = normal_map(torch.linspace(0, 1, 8).repeat(8, 1))
    assert (slope[:, :, 0] > 240).all()
    assert (slope[:, :, 1] == 128).all()
