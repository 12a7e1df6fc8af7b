import os
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from safetensors.torch import load_file

from models.files.weights_error import WeightsError
from server.commands.models.convert import convert


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.mark}",)


@pytest.fixture
def trainer_state(monkeypatch: pytest.MonkeyPatch) -> object:
    """An object of a class of PyTorch Lightning, as the checkpoints of its trainers hold them."""
    module = ModuleType("pytorch_lightning")
    module.State = type("State", (), {"__module__": module.__name__})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    state: object = module.State()
    vars(state)["best"] = 0.5
    return state


def test_pickle_is_written_as_safetensors_beside_it(tmp_path: Path, trainer_state: object) -> None:
    whole = torch.arange(6.0).reshape(2, 3)
    file = tmp_path / "a net.ckpt"
    weights = {"whole": whole, "same": whole, "turned": whole.T, "half": whole.half()}
    torch.save({"state_dict": weights, "callbacks": trainer_state}, file)
    target = convert(file)
    assert target == tmp_path / "a net.safetensors"
    tensors = load_file(target)
    assert tensors.keys() == {"whole", "same", "turned", "half"}
    assert torch.equal(tensors["turned"], whole.T)
    assert torch.equal(tensors["same"], whole)
    assert target.stat().st_mode == file.stat().st_mode
    assert tensors["half"].dtype == torch.float16
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a net.ckpt", "a net.safetensors"]


def test_pickle_that_runs_code_is_refused_and_does_not_run(tmp_path: Path) -> None:
    file = tmp_path / "x.pt"
    torch.save({"a": torch.ones(1), "b": Attack(tmp_path / "mark")}, file)
    with pytest.raises(WeightsError, match=r"x\.pt holds more than tensors, which may be an attack .*system"):
        convert(file)
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt"]


def test_damaged_pickle_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"junk")
    with pytest.raises(WeightsError, match=r"x\.pt is damaged or no pickle of torch .*; copy it again"):
        convert(tmp_path / "x.pt")


def test_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x.pt").write_bytes(b"new")
    (tmp_path / "x.safetensors").write_bytes(b"old")
    with pytest.raises(WeightsError, match="is not overwritten"):
        convert(tmp_path / "x.pt")
    assert (tmp_path / "x.safetensors").read_bytes() == b"old"


def test_weights_of_ncnn_need_no_conversion(tmp_path: Path) -> None:
    (tmp_path / "x4.bin").write_bytes(bytes(8))
    with pytest.raises(
        WeightsError, match=r"x4\.bin is half of an ncnn model, which is used as it is; put both halves"
    ):
        convert(tmp_path / "x4.bin")


@pytest.mark.parametrize(("name", "reason"), [("x.zip", "only those are converted"), ("x.pt", "does not exist")])
def test_other_files_are_refused(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(WeightsError, match=reason):
        convert(tmp_path / name)
