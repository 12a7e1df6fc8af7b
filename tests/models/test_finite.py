"""Numbers that are not finite are noticed, and the file that they come from is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from models.catalog.entry import ModelEntry
from models.finite import NotFiniteError, explain_fault, holds_finite, require_finite

NAN, INF = float("nan"), float("inf")


def entry(file: Path, tensors: dict[str, torch.Tensor], size: int = 0) -> ModelEntry:
    file.parent.mkdir(exist_ok=True)
    save_file(tensors, file)
    return ModelEntry(name=file.stem, path=file, family="lora", bytes=size)


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_require_finite_refuses_one_bad_number(value: float) -> None:
    good, bad = torch.ones(2, 3), torch.tensor([1.0, value])
    require_finite("the net", good, good.half())
    with pytest.raises(NotFiniteError, match="the net returned NaN or infinity"):
        require_finite("the net", good, bad)


def test_holds_finite_reads_any_dtype() -> None:
    assert holds_finite(torch.ones(2, dtype=torch.float8_e5m2))
    assert holds_finite(torch.arange(3))
    assert not holds_finite(torch.tensor([INF]).to(torch.float8_e5m2))
    assert not holds_finite(torch.tensor([1e300], dtype=torch.float64))


@pytest.mark.parametrize(
    "bad",
    [
        torch.tensor([1.0, NAN]),
        torch.tensor([-INF]),
        torch.tensor([1e6]),
        torch.tensor([NAN]).bfloat16(),
        torch.tensor([NAN]).to(torch.float8_e4m3fn),
    ],
)
def test_explain_fault_names_file_model_and_tensor(tmp_path: Path, bad: torch.Tensor) -> None:
    entries = [
        entry(tmp_path / "good.safetensors", {"a": torch.ones(2)}, 1),
        entry(tmp_path / "torn.safetensors", {"a": torch.ones(2), "b.down": bad}, 2),
    ]
    fault = explain_fault(entries)
    assert fault.startswith("torn.safetensors of model 'torn' is the cause: its tensor 'b.down' has NaN, infinity or")
    assert explain_fault(entries[:1]).startswith("the files of its models hold only finite numbers")


def test_explain_fault_reads_folders_and_encoders(tmp_path: Path) -> None:
    adapter = entry(tmp_path / "adapter.safetensors", {"a": torch.ones(1)})
    entry(tmp_path / "encoder" / "model.safetensors", {"w": torch.tensor([NAN])})
    assert "only finite" in explain_fault([adapter])
    assert explain_fault([adapter.model_copy(update={"encoder": tmp_path / "encoder"})]).startswith("model.safetensors")
    folder = ModelEntry(name="folder", path=tmp_path, family="sd1")
    assert explain_fault([folder]).startswith("model.safetensors of model 'folder'")


def test_explain_fault_ignores_what_no_net_reads(tmp_path: Path) -> None:
    tensors = {"sqrt_recip_alphas_cumprod": torch.tensor([INF]), "ids": torch.arange(99999, 100001), "e": torch.ones(0)}
    (tmp_path / "net.onnx").write_bytes(b"no safetensors")
    onnx = ModelEntry(name="onnx", path=tmp_path / "net.onnx", family="matting")
    assert "only finite" in explain_fault([entry(tmp_path / "it.safetensors", tensors), onnx])


def test_explain_fault_reads_a_file_again_that_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "it.safetensors"
    assert "only finite" in explain_fault([entry(file, {"a": torch.ones(1)})])
    found = entry(file, {"a": torch.tensor([NAN])})
    os.utime(file, ns=(1, 1))
    assert "it.safetensors" in explain_fault([found])


@pytest.mark.parametrize("part", ["vae", "text_encoder", "text_encoder_2"])
def test_explain_fault_reads_parts_in_files_of_their_own(tmp_path: Path, part: str) -> None:
    good = entry(tmp_path / "good.safetensors", {"a": torch.ones(1)})
    entry(tmp_path / "part.safetensors", {"w": torch.tensor([NAN])})
    fault = explain_fault([good.model_copy(update={part: tmp_path / "part.safetensors"})])
    assert fault.startswith("part.safetensors of model 'good' is the cause")


def test_explain_fault_passes_over_files_that_are_gone(tmp_path: Path) -> None:
    gone = ModelEntry(name="gone", path=tmp_path / "gone.safetensors", family="lora")
    torn = entry(tmp_path / "torn.safetensors", {"w": torch.tensor([NAN])}, 2)
    assert explain_fault([gone, torn]).startswith("torn.safetensors of model 'torn' is the cause")
