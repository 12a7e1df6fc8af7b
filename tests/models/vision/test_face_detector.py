from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models import catalog
from models.catalog.catalog import Catalog
from models.toy.drawing import draw
from models.toy.world import Scene, Thing
from models.vision import face_detector
from models.vision.face_detector import Face, FaceDetector
from models.vision.face_onnx import OnnxFaceNet
from tests.support.faces import constant_net, mtcnn_weights
from tests.support.model_files import write_model

CPU = torch.device("cpu")


def drawing(noun: str, side: int, *places: tuple[float, float]) -> np.ndarray:
    """Things at these horizontal centres with these sizes."""
    things = [Thing(noun, "red", "", "", x, 0.5, size) for x, size in places]
    return np.array(draw(Scene(things, "on the grass", "flat", 1), side))


@pytest.fixture(scope="module")
def toy(toys: Catalog) -> FaceDetector:
    return face_detector.load(toys.find("face"), CPU, torch.float32)


def test_faces_are_sorted_by_size(toy: FaceDetector) -> None:
    large, small = toy.find(drawing("person", 128, (0.22, 0.4), (0.72, 0.6)))
    assert large.left > 64 > small.left
    assert large.width == pytest.approx(0.52 * 0.6 * 64, abs=2)
    assert toy.find(drawing("house", 128, (0.5, 0.7))) == []


def test_large_pictures_are_shrunk_and_boxes_are_in_their_pixels(tmp_path: Path) -> None:
    maps = {"heat": np.zeros((1, 1, 320, 320)), "sizes": np.zeros((1, 2, 320, 320))}
    maps["heat"][0, 0, 10, 10] = 1
    maps |= {"offsets": np.zeros((1, 2, 320, 320)), "landmarks": np.zeros((1, 10, 320, 320))}
    entry = constant_net(tmp_path / "net.onnx", maps, [1, 3, 1280, 1280])
    [face] = FaceDetector(OnnxFaceNet(entry, CPU)).find(np.zeros((2560, 2560, 3), np.uint8))
    assert face == Face(80, 80, 8, 8, 1)


def test_square_is_around_the_centre() -> None:
    assert Face(10, 20, 20, 40, 1).square(1.5) == (-10, 10, 50, 70)


def test_scan_finds_detectors(tmp_path: Path) -> None:
    save_file(mtcnn_weights(), tmp_path / "mtcnn.safetensors")
    for name in ("centerface.onnx", "face_detection_yunet_2023mar.onnx", "isnet.onnx"):
        (tmp_path / name).write_bytes(b"onnx")
    write_model(
        tmp_path / "GFPGANv1.4.safetensors", {"toRGB.0.weight": (1,), "stylegan_decoder.style_mlp.1.weight": (1,)}
    )
    found = {entry.path.name: entry.family for entry in catalog.read(tmp_path)}
    assert found == {
        "mtcnn.safetensors": "face",
        "centerface.onnx": "face",
        "face_detection_yunet_2023mar.onnx": "face",
        "isnet.onnx": "matting",
        "GFPGANv1.4.safetensors": "face_fix",
    }
