from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from models.files.safetensors_header import SafetensorsHeader
from models.files.weights_error import WeightsError
from models.loading import tensors
from models.loading.fill import fill
from models.loading.tensors import read_tensors
from tests.support.peak_memory import peak_bytes, reset_peak_bytes

FP8 = torch.float8_e4m3fn
Save = Callable[..., Path]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    def write(**tensors: Tensor) -> Path:
        save_file({name.replace("__", "."): tensor for name, tensor in tensors.items()}, tmp_path / "net.safetensors")
        return tmp_path / "net.safetensors"

    return write


def quantised(scale: Tensor, dtype: torch.dtype = FP8) -> tuple[Tensor, Tensor]:
    """A weight [4, 3] as fp8 files store it, and the weight that it means."""
    stored = torch.linspace(-300, 300, 12).view(4, 3).to(dtype)
    return stored, stored.float() * scale


def comfy(name: str) -> Tensor:
    return torch.tensor(list(json.dumps({"format": name}).encode()), dtype=torch.uint8)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("name", ["scale_weight", "weight_scale"])
@pytest.mark.parametrize("scale", [torch.tensor(0.5), torch.tensor([0.5]), torch.arange(4.0).view(4, 1)])
def test_fp8_weight_is_multiplied_by_its_scale(save: Save, dtype: torch.dtype, name: str, scale: Tensor) -> None:
    stored, meant = quantised(scale, dtype)
    marks = {"scaled_fp8": torch.zeros(2).to(FP8), "a__scale_input": torch.ones(()), "a__input_scale": torch.ones(())}
    file = save(a__weight=stored, a__bias=torch.ones(4), **{f"a__{name}": scale}, **marks)
    read = read_tensors(file, dtype=torch.float16)
    assert read.keys() == {"a.weight", "a.bias"}
    assert torch.equal(read["a.weight"], meant.half())
    assert torch.equal(read["a.bias"], torch.ones(4).half())


def test_fp8_without_scale_is_cast(save: Save) -> None:
    stored, meant = quantised(torch.ones(()))
    assert torch.equal(read_tensors(save(a__weight=stored, a__comfy_quant=comfy("float8_e4m3fn")))["a.weight"], meant)


@pytest.mark.parametrize(
    "others",
    [
        {"a__weight_scale": torch.ones(2, 3)},
        {"a__weight_scale": torch.ones(()), "a__weight_scale_2": torch.ones(())},
        {"a__comfy_quant": comfy("nvfp4")},
        {"a__comfy_quant": torch.zeros(3, dtype=torch.uint8)},
        {"a__weight__absmax": torch.ones(4)},
        {"a__weight__quant_state__bitsandbytes__nf4": torch.ones(4)},
        {"a__SCB": torch.ones(4)},
        {"b__qweight": torch.ones(4, dtype=torch.int32)},
    ],
)
def test_other_quantisations_are_refused(save: Save, others: dict[str, Tensor]) -> None:
    file = save(a__weight=torch.ones(4, 3).to(FP8), **others)
    with pytest.raises(WeightsError, match=r"net\.safetensors is quantised in a way that is not supported \(it has "):
        read_tensors(file)


def test_weights_of_whole_numbers_are_refused(save: Save) -> None:
    with pytest.raises(WeightsError, match=r"net\.safetensors has whole numbers \(torch\.int8\) as a\.weight"):
        read_tensors(save(a__weight=torch.ones(2, dtype=torch.int8), a__position_ids=torch.arange(3)))
    assert read_tensors(save(a__position_ids=torch.arange(3)))["a.position_ids"].dtype == torch.int64


def test_without_dtype_tensors_keep_that_of_the_file(save: Save) -> None:
    read = read_tensors(save(a=torch.ones(1).half(), b=torch.ones(1).to(FP8)))
    assert (read["a"].dtype, read["b"].dtype) == (torch.float16, torch.float32)


def test_a_net_is_filled_without_a_second_copy(save: Save) -> None:
    """The peak is what the net takes, and one tensor as it is in the file. Tensors of more than 32 MiB return their
    memory to the system when they are freed."""
    file = save(**{f"{index}__weight": torch.ones(4096, 4608, dtype=torch.float16) for index in range(3)})
    with torch.device("meta"):
        net = nn.Sequential(*[nn.Linear(4608, 4096, bias=False) for _ in range(3)])
    before = reset_peak_bytes()
    fill(net, read_tensors(file, dtype=torch.float32), torch.float32, "a file")
    resident = sum(weight.nbytes for weight in net.parameters())
    assert peak_bytes() - before < 1.3 * resident


def test_only_what_is_kept_is_read(save: Save) -> None:
    assert read_tensors(save(a=torch.ones(1), b=torch.ones(1)), keep=lambda name: name == "b").keys() == {"b"}


def test_weights_do_not_change_with_their_file(save: Save) -> None:
    """An operator who writes over a file changes no model that is in use."""
    file = save(a=torch.ones(4, 4))
    read = read_tensors(file)
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.write(bytes(size))
    assert torch.equal(read["a"], torch.ones(4, 4))


def test_file_that_is_written_to_while_it_is_read_is_refused(save: Save) -> None:
    """Never a net of half of one file and half of another."""
    file = save(a=torch.ones(4, 4), b=torch.ones(4, 4))

    def write_at_b(name: str) -> bool:
        if name == "b":
            os.utime(file, ns=(1, 1))
        return True

    with pytest.raises(WeightsError, match="was changed while it was read"):
        read_tensors(file, keep=write_at_b)


def test_file_that_is_replaced_after_its_header_is_refused(save: Save, monkeypatch: pytest.MonkeyPatch) -> None:
    file, read_header = save(a=torch.ones(4, 4)), tensors.open_header

    def read_and_replace(path: Path) -> SafetensorsHeader:
        header = read_header(path)
        (path.parent / "new").write_bytes(path.read_bytes())
        (path.parent / "new").replace(path)
        return header

    monkeypatch.setattr(tensors, "open_header", read_and_replace)
    with pytest.raises(WeightsError, match="was changed while it was read"):
        read_tensors(file)
