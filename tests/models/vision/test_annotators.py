"""Annotators of the catalog, and a net of controlnet_aux with random weights."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.finite import NotFiniteError
from models.kinds.annotator import ANNOTATOR
from models.kinds.kind import ModelRef
from models.vision import annotators
from models.vision.control_maps import DrawOptions
from tests.support.nets import spoil

CPU = torch.device("cpu")

IMAGE = np.random.default_rng(0).integers(0, 256, (80, 96, 3), np.uint8)


def entry(path: Path, hint: str) -> ModelEntry:
    return ModelEntry(name="it", path=path, family="annotator", hint=hint)


def test_annotate_returns_a_map_of_the_image_size(toys: Catalog) -> None:
    annotator = annotators.load(toys.find(ModelRef(ANNOTATOR, "depth")), CPU, torch.float16)
    drawn = annotator.annotate(IMAGE, DrawOptions())
    assert drawn.shape == IMAGE.shape
    assert drawn.dtype == np.uint8
    assert drawn.std() > 10
    assert annotator.bytes > 100_000


def test_softedge_equals_the_detector(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from controlnet_aux.pidi import PidiNetDetector, pidinet
    torch.manual_seed(0)
    net = pidinet().eval()
    file = tmp_path / "pidinet.safetensors"
    save_file({f"module.{name}": tensor.clone() for name, tensor in net.state_dict().items()}, file)
    annotator = annotators.load(entry(file, "softedge"), CPU, torch.float32)
    drawn = annotator.annotate(IMAGE[:64, :64], DrawOptions(resolution=128))
    expected = PidiNetDetector(net)(IMAGE[:64, :64], 128, 64, output_type="np")
    assert drawn.shape == (64, 64, 3)
    assert np.abs(drawn.astype(int) - expected).mean() < 3
    spoil(net)
    save_file({f"module.{name}": tensor.clone() for name, tensor in net.state_dict().items()}, file)
    with pytest.raises(NotFiniteError, match=r"the net of the annotator, PiDiNet, returned NaN or infinity"):
        annotators.load(entry(file, "softedge"), CPU, torch.float32).annotate(IMAGE[:64, :64], DrawOptions())
    save_file({"module.init_block.weight": torch.zeros(1)}, file)
    with pytest.raises(
        WeightsError, match=r"pidinet\.safetensors .*give the file that docs/models.md names for softedge maps"
    ):
        annotators.load(entry(file, "softedge"), CPU, torch.float32)


def test_annotate_stretches_thin_images(tmp_path: Path) -> None:
    """Nets enlarge the shorter side to the resolution: an image of 8000×4 would become a million pixels wide."""
    shapes: list[tuple[int, ...]] = []

    def draw(pixels: np.ndarray, _: DrawOptions) -> np.ndarray:
        shapes.append(pixels.shape)
        return pixels

    annotator = annotators.Annotator(entry(tmp_path, "pose"), annotators.MapDrawer(torch.nn.Identity(), draw))
    for shape in ((4, 800, 3), (800, 4, 3), (100, 100, 3)):
        assert annotator.annotate(np.zeros(shape, np.uint8), DrawOptions()).shape == shape
    assert shapes == [(100, 800, 3), (800, 100, 3), (100, 100, 3)]


def test_load_refuses_unknown_hints_and_folders(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="there is no annotator for 'seg' maps, only for softedge"):
        annotators.load(entry(tmp_path, "seg"), CPU, torch.float32)
    with pytest.raises(WeightsError, match=r"an annotator of mlsd maps is one \.safetensors file"):
        annotators.load(entry(tmp_path, "mlsd"), CPU, torch.float32)
