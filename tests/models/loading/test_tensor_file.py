from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from models.files.safetensors_header import read_header
from models.files.weights_error import WeightsError
from models.loading.tensor_file import DTYPES, TensorFile


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A tensor of each dtype, one without numbers, and one without dimensions."""
    numbers = torch.arange(6).view(2, 3)
    tensors = {str(dtype): numbers.to(torch.float32).to(dtype) for dtype in DTYPES.values()}
    tensors |= {"empty": torch.empty(0, 4), "scalar": torch.tensor(2.5)}
    save_file(tensors, tmp_path / "net.safetensors")
    return tmp_path / "net.safetensors"


def test_tensors_are_those_that_safetensors_reads(file: Path) -> None:
    with TensorFile(file, read_header(file)) as opened:
        for name, expected in load_file(file).items():
            read = opened.read(name)
            assert (read.dtype, read.shape) == (expected.dtype, expected.shape)
            assert read.view(-1).view(torch.uint8).tolist() == expected.reshape(-1).view(torch.uint8).tolist(), name


def test_floats_are_cast_and_whole_numbers_are_not(file: Path) -> None:
    with TensorFile(file, read_header(file)) as opened:
        cast = [opened.read(f"torch.{name}", torch.float32) for name in ("float16", "bfloat16", "float8_e4m3fn")]
        assert opened.read("torch.int64", torch.float16).dtype == torch.int64
        assert (opened.read("scalar", torch.float16), opened.read("empty", torch.float16).shape) == (2.5, (0, 4))
    assert all(torch.equal(each, torch.arange(6.0).view(2, 3)) for each in cast)


def test_file_that_was_cut_short_is_named(file: Path) -> None:
    with TensorFile(file, read_header(file)) as opened:
        file.write_bytes(b"")
        with pytest.raises(WeightsError, match=r"^net\.safetensors ends within scalar; copy or download it again$"):
            opened.read("scalar")


def test_tensors_stay_when_the_file_is_written_over(file: Path) -> None:
    with TensorFile(file, read_header(file)) as opened:
        read = opened.read("torch.float32")
    with file.open("r+b") as written:
        written.write(bytes(file.stat().st_size))
    assert torch.equal(read, torch.arange(6.0).view(2, 3))


def test_dtype_that_is_not_supported_is_named(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b'"C64"', b'"F77"'))
    with (
        TensorFile(file, read_header(file)) as opened,
        pytest.raises(WeightsError, match=r"has torch\.complex64 in F77"),
    ):
        opened.read("torch.complex64")
