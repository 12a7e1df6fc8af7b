"""Annotators of the catalog, one of them a net of controlnet_aux with weights of chance."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.kinds.annotator import ANNOTATOR
from models.kinds.kind import ModelRef
from models.vision import annotators
from models.vision.control_maps import Drawing
from models.weights import WeightsError
from tests.models.conftest import CPU

PICTURE = np.random.default_rng(0).integers(0, 256, (80, 96, 3), np.uint8)


def entry(path: Path, hint: str) -> ModelEntry:
    return ModelEntry(name="it", path=path, family="annotator", hint=hint)


def test_a_map_is_as_large_as_its_picture(toys: Catalog) -> None:
    annotator = annotators.load(toys.find(ModelRef(ANNOTATOR, "depth")), CPU, torch.float16)
    made = annotator.annotate(PICTURE, Drawing())
    assert made.shape == PICTURE.shape
    assert made.dtype == np.uint8
    assert made.std() > 10
    assert annotator.bytes > 100_000


def test_soft_edges_are_those_of_the_detector(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from controlnet_aux.pidi import PidiNetDetector, pidinet
    torch.manual_seed(0)
    net = pidinet().eval()
    file = tmp_path / "pidinet.safetensors"
    save_file({f"module.{name}": tensor.clone() for name, tensor in net.state_dict().items()}, file)
    annotator = annotators.load(entry(file, "softedge"), CPU, torch.float32)
    made = annotator.annotate(PICTURE[:64, :64], Drawing(resolution=128))
    expected = PidiNetDetector(net)(PICTURE[:64, :64], 128, 64, output_type="np")
    assert made.shape == (64, 64, 3)
    assert np.abs(made.astype(int) - expected).mean() < 3
    save_file({"module.init_block.weight": torch.zeros(1)}, file)
    with pytest.raises(WeightsError, match=r"pidinet\.safetensors does not fit the net that draws softedge maps"):
        annotators.load(entry(file, "softedge"), CPU, torch.float32)


def test_of_a_thin_line_no_huge_picture_is_made(tmp_path: Path) -> None:
    """Enlarged until its shorter side has the resolution, a picture of 8000×4 would have a million pixels on a side."""
    seen: list[tuple[int, ...]] = []

    def draw(pixels: np.ndarray, _: Drawing) -> np.ndarray:
        seen.append(pixels.shape)
        return pixels

    annotator = annotators.Annotator(entry(tmp_path, "pose"), annotators.Trade(torch.nn.Identity(), draw))
    for shape in ((4, 800, 3), (800, 4, 3), (100, 100, 3)):
        assert annotator.annotate(np.zeros(shape, np.uint8), Drawing()).shape == shape
    assert seen == [(100, 800, 3), (800, 100, 3), (100, 100, 3)]


def test_what_no_net_draws_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="no annotator for 'seg' maps is known, only for softedge"):
        annotators.load(entry(tmp_path, "seg"), CPU, torch.float32)
    with pytest.raises(WeightsError, match=r"an annotator of mlsd maps is one \.safetensors file"):
        annotators.load(entry(tmp_path, "mlsd"), CPU, torch.float32)
