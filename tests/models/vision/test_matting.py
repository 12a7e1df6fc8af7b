from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.finite import NotFiniteError
from models.toy.drawing import draw, silhouette
from models.toy.world import Scene, Thing
from models.vision import matting
from models.vision.matting import NORMALIZATIONS, Matting
from models.vision.spandrel_net import NetError

CPU = torch.device("cpu")


def drawing(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """A drawing of one object, and its silhouette."""
    scene = Scene([Thing("star", "red", "", "", 0.5, 0.5, 0.7)], "on the grass", "flat", 1)
    pixels, inside = (each.resize((width, height)) for each in (draw(scene, 256), silhouette(scene, 256)))
    return np.array(pixels), np.asarray(inside) > 127


def net(folder: Path, shape: list[Any], function: str = "Identity", kind: int = TensorProto.FLOAT) -> ModelEntry:
    """An ONNX net that applies one function to its input."""
    graph = helper.make_graph(
        [helper.make_node(function, ["in"], ["out"])],
        "net",
        [helper.make_tensor_value_info("in", kind, shape)],
        [helper.make_tensor_value_info("out", kind, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    return ModelEntry(name="net", path=folder / "net.onnx", family="matting", bytes=10)


@pytest.fixture(scope="module")
def toy(toys: Catalog) -> Matting:
    return matting.load(toys.find("matting"), CPU, torch.float32)


@pytest.mark.parametrize("size", [(64, 64), (200, 130), (48, 75)])
def test_alpha_finds_the_object_at_any_size(toy: Matting, size: tuple[int, int]) -> None:
    pixels, inside = drawing(*size)
    alpha = toy.alpha(pixels)
    assert (alpha.dtype, alpha.shape) == (np.uint8, inside.shape)
    predicted = alpha >= 128
    assert (predicted & inside).sum() / (predicted | inside).sum() > 0.85
    assert (alpha.min(), alpha.max()) == (0, 255)


def test_alpha_does_not_stretch_noise_into_an_object(toy: Matting) -> None:
    assert toy.alpha(np.full((64, 64, 3), (150, 205, 250), np.uint8)).max() < 20


@pytest.mark.parametrize(
    ("size", "normalize", "expected"),
    [(320, None, "imagenet"), (1024, None, "centred"), (1024, "imagenet", "imagenet"), (None, None, "centred")],
)
def test_input_is_normalised_as_the_net_expects(
    tmp_path: Path, size: int | None, normalize: Any, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = net(tmp_path, [1, 3, size or "height", size or "width"]).model_copy(update={"normalize": normalize})
    outputs: list[np.ndarray] = []
    monkeypatch.setattr(matting, "_to_opacity", lambda output: outputs.append(output) or np.clip(output, 0, 1))
    matting.load(entry, CPU, torch.float32).alpha(np.full((8, 8, 3), 255, np.uint8))
    assert outputs[0].shape == (size or 1024,) * 2
    mean, deviation = NORMALIZATIONS[expected]
    assert outputs[0] == pytest.approx((1 - mean[0]) / deviation[0])


def test_alpha_takes_logits_and_opacities(tmp_path: Path) -> None:
    pixels = np.zeros((320, 320, 3), np.uint8)
    pixels[:160] = 255
    opacities = matting.load(net(tmp_path, [1, 3, 320, 320], "Sigmoid"), CPU, torch.float32).alpha(pixels)
    logits = matting.load(net(tmp_path, [1, 3, 320, 320]), CPU, torch.float32).alpha(pixels)
    assert np.array_equal(opacities, logits)
    assert (logits[0, 0], logits[-1, 0]) == (255, 0)


def test_net_in_half_precision(tmp_path: Path) -> None:
    entry = net(tmp_path, [1, 3, 320, 320], "Sigmoid", TensorProto.FLOAT16)
    alpha = matting.load(entry, CPU, torch.float32).alpha(
        np.tile(np.arange(0, 256, 4, np.uint8)[:, None, None], (1, 64, 3))
    )
    assert alpha.min() < 30 < 225 < alpha.max()


@pytest.mark.parametrize(("shape", "message"), [([1, 1, 64, 64], r"image \[1, 3,"), ([3, 64], "not one image")])
def test_load_refuses_other_inputs(tmp_path: Path, shape: list[int], message: str) -> None:
    with pytest.raises(NetError, match=message):
        matting.load(net(tmp_path, shape), CPU, torch.float32)


def test_load_refuses_inputs_of_whole_numbers(tmp_path: Path) -> None:
    with pytest.raises(NetError, match=r"net\.onnx takes tensor\(uint8\).*give a net that is not quantised"):
        matting.load(net(tmp_path, [1, 3, 64, 64], kind=TensorProto.UINT8), CPU, torch.float32)


def test_load_refuses_a_mask_without_channels(tmp_path: Path) -> None:
    entry = net(tmp_path, [1, 3, 64, 64])
    model = onnx.load(entry.path)
    model.graph.node[0].CopyFrom(helper.make_node("ReduceMax", ["in"], ["out"], axes=[1], keepdims=0))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("out", TensorProto.FLOAT, [1, 64, 64]))
    onnx.save(model, entry.path)
    with pytest.raises(NetError, match=r"returns a mask of shape \[1, 64, 64\]"):
        matting.load(entry, CPU, torch.float32)


def test_load_refuses_other_files(tmp_path: Path) -> None:
    entry = net(tmp_path, [1, 3, 64, 64])
    entry.path.write_bytes(b"not at all")
    with pytest.raises(NetError, match=r"net\.onnx cannot be read as an ONNX net"):
        matting.load(entry, CPU, torch.float32)


def test_alpha_refuses_nan(tmp_path: Path) -> None:
    """The logarithm of the negative numbers that dark pixels are normalised to."""
    loaded = matting.load(net(tmp_path, [1, 3, 32, 32], "Log"), CPU, torch.float32)
    with pytest.raises(NotFiniteError, match="matting model 'net' returned NaN"):
        loaded.alpha(np.zeros((32, 32, 3), np.uint8))


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="it can use CUDA here")
def test_net_that_runs_on_the_cpu_beside_a_card_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        Matting(net(tmp_path, [1, 3, 8, 8]), torch.device("cuda", 0))
    assert caplog.text.count("cannot use CUDA here, so ONNX nets run on the CPU") == 1
