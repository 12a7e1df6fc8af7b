from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.finite import NotFiniteError
from models.vision.face_onnx import YUNET_OUTPUTS, YUNET_STRIDES, OnnxFaceNet
from models.vision.spandrel_net import NetError
from tests.support.faces import constant_net

CPU = torch.device("cpu")
ANY_SIZE = [1, 3, "height", "width"]
PICTURE = np.zeros((64, 96, 3), np.uint8)


def centerface() -> dict[str, np.ndarray]:
    """A face of 24×32 pixels around (42, 22), and a second finding of the same."""
    heat, sizes, offsets = np.zeros((1, 1, 16, 24)), np.zeros((1, 2, 16, 24)), np.zeros((1, 2, 16, 24))
    heat[0, 0, 5, 10], heat[0, 0, 5, 11], heat[0, 0, 0, 0] = 0.9, 0.6, 0.4
    sizes[0, :, 5, 10:12] = np.log([[8], [6]])
    return {"heat": heat, "sizes": sizes, "offsets": offsets, "landmarks": np.zeros((1, 10, 16, 24))}


def yunet() -> dict[str, np.ndarray]:
    """For 64×64 pixels: a face of 16×32 around (20, 36), which the cell of row 2 and column 1 of stride 16 finds."""
    widths = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
    found = {f"{n}_{s}": np.zeros((1, (64 // s) ** 2, width)) for n, width in widths.items() for s in YUNET_STRIDES}
    found["cls_16"][0, 9], found["obj_16"][0, 9] = 0.81, 1.0
    found["bbox_16"][0, 9] = 0.25, 0.25, 0, np.log(2)
    return found


def test_centerface_maps_are_boxes(tmp_path: Path) -> None:
    net = OnnxFaceNet(constant_net(tmp_path / "net.onnx", centerface(), ANY_SIZE), CPU)
    assert net.boxes(PICTURE) == pytest.approx(np.array([[30, 6, 54, 38, 0.9]]), abs=1e-4)


def test_yunet_cells_are_boxes_of_the_picture_that_was_resized(tmp_path: Path) -> None:
    net = OnnxFaceNet(constant_net(tmp_path / "net.onnx", yunet(), [1, 3, 64, 64]), CPU)
    assert net.boxes(np.zeros((64, 64, 3), np.uint8)) == pytest.approx(np.array([[12, 20, 28, 52, 0.9]]), abs=1e-4)
    assert net.boxes(np.zeros((64, 128, 3), np.uint8)) == pytest.approx(np.array([[24, 40, 56, 104, 0.9]]), abs=1e-4)


@pytest.mark.parametrize(
    ("outputs", "shape", "message"),
    [
        (centerface(), [10, 3, 32, 32], "hua models convert-face"),
        ({"alpha": np.zeros((1, 1, 8, 8))}, ANY_SIZE, "has 1 outputs; give CenterFace"),
        (dict.fromkeys(map(str, range(len(YUNET_OUTPUTS))), np.zeros(1)), ANY_SIZE, "has 12 outputs"),
    ],
)
def test_other_nets_are_refused(tmp_path: Path, outputs: dict[str, Any], shape: list[Any], message: str) -> None:
    with pytest.raises(NetError, match=message):
        OnnxFaceNet(constant_net(tmp_path / "net.onnx", outputs, shape), CPU)


def test_nan_is_refused(tmp_path: Path) -> None:
    outputs = centerface()
    outputs["sizes"][:] = np.nan
    net = OnnxFaceNet(constant_net(tmp_path / "net.onnx", outputs, ANY_SIZE), CPU)
    with pytest.raises(NotFiniteError, match="face detector 'faces' returned NaN"):
        net.boxes(PICTURE)
