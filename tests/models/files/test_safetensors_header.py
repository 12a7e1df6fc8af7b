from pathlib import Path

import pytest

from models.files.safetensors_header import HeaderError, read_header
from tests.support.model_files import write_model


def test_header_has_shapes_dtypes_and_metadata(tmp_path: Path) -> None:
    header = read_header(write_model(tmp_path / "a.safetensors", {"x": (2, 3), "y": ()}, {"title": "A"}))
    assert (header.tensors["x"].dtype, header.shape("x"), header.shape("y"), header.shape("z")) == (
        "F16",
        (2, 3),
        (),
        (),
    )
    assert header.metadata == {"title": "A"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: b"", "has only 0 bytes; copy it again"),
        (lambda data: data[:-1], r"has \d+ bytes, but its header says \d+; copy it again"),
        (lambda data: data + b"1", r"has \d+ bytes, but its header says \d+; copy it again"),
        (lambda data: data[:20], "ends within its header"),
        (lambda data: b"PK\x03\x04" + data, "is a pickle of torch .*; convert"),
        (lambda data: b"\x80\x02}q\x00X\x03\x00" + data, "is a pickle under another name"),
        (lambda data: b"version https://git-lfs.github.com/spec/v1", "is a pointer of Git LFS.*`git lfs pull`"),
        (lambda data: b"<!DOCTYPE html>", "is a web page; download the file itself"),
        (lambda data: b"GGUF" + data, "is a GGUF file"),
        (lambda data: bytes(len(data)), "is full of zeros: it was not copied whole"),
        (lambda data: b"something else" + data, "is not a safetensors file; convert"),
        (lambda data: data.replace(b"[2,3]", b"[2,9]"), "is damaged: its tensor x has another size than its shape"),
        (lambda data: data.replace(b"[0,12]", b"[-9,3]"), "has a header that is not that of"),
        (lambda data: data.replace(b"[0,12]", b"[12,0]"), "is damaged: its tensor x has another size than its shape"),
        (lambda data: data[:8] + b"?" + data[9:], "has a header that is not that of"),
        (lambda data: (2).to_bytes(8, "little") + b"[]", "has a header that is not that of"),
    ],
)
def test_torn_file_is_named(tmp_path: Path, change, message: str) -> None:
    file = write_model(tmp_path / "torn.safetensors", {"x": (2, 3)})
    file.write_bytes(change(file.read_bytes()))
    with pytest.raises(HeaderError, match=rf"^torn\.safetensors {message}"):
        read_header(file)
