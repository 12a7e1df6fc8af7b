import struct
from pathlib import Path

import pytest

from models.files.ncnn_param import NcnnError
from models.files.ncnn_weights import is_ncnn_weights, read_net_header
from tests.support.ncnn_files import INT8, compact_weights, rrdb_weights, write_compact, write_rrdb


@pytest.mark.parametrize("half", [True, False])
def test_tensors_have_the_shapes_of_their_layers(tmp_path: Path, half: bool) -> None:
    weights = rrdb_weights()
    net = read_net_header(write_rrdb(tmp_path / "x.param", weights, half=half))
    assert {tensor.key: tensor.shape for tensor in net.tensors} == {key: value.shape for key, value in weights.items()}
    dtypes = {tensor.dtype for tensor in net.tensors if tensor.key.endswith("weight")}
    assert dtypes == {"F16" if half else "F32"}


def test_missing_half_is_named(tmp_path: Path) -> None:
    file = write_compact(tmp_path / "x.param", compact_weights())
    (tmp_path / "x.bin").unlink()
    with pytest.raises(NcnnError, match=r"x\.param is half of an ncnn model: x\.bin is missing; put it beside it"):
        read_net_header(file)


@pytest.mark.parametrize(
    ("begin", "end", "message"),
    [
        (b"", -8, r"x\.bin has \d+ bytes, but x\.param says \d+; copy both files again"),
        (b"", 20, r"x\.bin ends before its weight body\.2; copy it again"),
        (b"", None, r"x\.bin has \d+ bytes, but"),
        (struct.pack("<I", INT8), -4, r"x\.bin has int8 weights, which are not supported; get the net in fp16 or fp32"),
        (b"PK\x03\x04", -4, r"x\.bin has weights that are quantised, or of another net \(tag 0x4034b50\)"),
    ],
)
def test_torn_and_quantised_weights_are_refused(tmp_path: Path, begin: bytes, end: int | None, message: str) -> None:
    file = write_compact(tmp_path / "x.param", compact_weights())
    content = file.with_suffix(".bin").read_bytes()
    file.with_suffix(".bin").write_bytes((begin + content[len(begin) : end]) + b"more" * (end is None))
    with pytest.raises(NcnnError, match=message):
        read_net_header(file)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (struct.pack("<I", 0x01306B47), True),
        (struct.pack("<I", INT8), True),
        (bytes(8), True),
        (struct.pack("<I", 7767517), True),
        (b"PK\x03\x04", False),
        (b"\x80\x02}q", False),
        (b"", False),
    ],
)
def test_weights_of_ncnn_are_no_pickle(tmp_path: Path, content: bytes, expected: bool) -> None:
    (tmp_path / "x.bin").write_bytes(content)
    assert is_ncnn_weights(tmp_path / "x.bin") == expected
