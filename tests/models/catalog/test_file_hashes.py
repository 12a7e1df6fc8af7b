import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from models.catalog.file_hashes import FileHashes, compute
from tests.support import model_files as files


def never() -> bool:
    return False


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return files.write_model(tmp_path / "models" / "x.safetensors", files.LORA_SD1)


def digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_hash_of_the_tensors_leaves_the_header_out(model: Path) -> None:
    other = files.write_model(model.with_name("y.safetensors"), files.LORA_SD1, {"modelspec.title": "Other"})
    one, two = compute(model), compute(other)
    assert one is not None
    assert two is not None
    assert (one.sha256, two.sha256) == (digest(model), digest(other))
    size = int.from_bytes(model.read_bytes()[:8], "little")
    assert one.tensors == two.tensors == hashlib.sha256(model.read_bytes()[8 + size :]).hexdigest()


def test_file_that_is_not_safetensors_has_no_tensors(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"0123456789")
    assert compute(tmp_path / "x.onnx") == (digest(tmp_path / "x.onnx"), "")
    assert compute(tmp_path / "none.onnx") is None


def test_hashes_outlive_the_process_until_the_file_changes(model: Path, tmp_path: Path) -> None:
    kept = tmp_path / "data" / "hashes.json"
    FileHashes(kept).learn([model], [], never)
    later = FileHashes(kept)
    assert later.of(model) is None
    later.adopt([])
    known = later.of(model)
    assert known is not None
    assert known.sha256 == digest(model)
    os.utime(model, ns=(0, 1))
    assert later.of(model) is None
    later.learn([model], [], never)
    assert later.of(model) == known


@pytest.mark.parametrize("content", ["", "{}", "[[1]]", '[["x", 1]]', "[1]"])
def test_damaged_file_is_written_again(content: str, model: Path, tmp_path: Path) -> None:
    (tmp_path / "hashes.json").write_text(content)
    hashes = FileHashes(tmp_path / "hashes.json")
    hashes.learn([model], [], never)
    again = FileHashes(tmp_path / "hashes.json")
    again.adopt([])
    assert again.of(model) == hashes.of(model) != None  # noqa: E711


def test_listed_files_are_not_read(model: Path, tmp_path: Path) -> None:
    (model.parent / "SHA256SUMS").write_text(f"{'a' * 64}  x.safetensors\n")
    hashes = FileHashes()
    hashes.learn([model], [model.parent, tmp_path], never)
    assert hashes.of(model) == ("a" * 64, "")


def test_file_that_is_newer_than_the_list_is_read(model: Path) -> None:
    (model.parent / "SHA256SUMS").write_text(f"{'a' * 64}  x.safetensors\n")
    os.utime(model, (time.time() + 10,) * 2)
    hashes = FileHashes()
    hashes.learn([model], [model.parent], never)
    assert (hashes.of(model) or ("",))[0] == digest(model)


def test_two_processes_do_not_read_the_same_files(model: Path, tmp_path: Path) -> None:
    hashes = FileHashes(tmp_path / "hashes.json")
    with FileLock(tmp_path / "hashes.json.lock"):
        hashes.learn([model], [], never)
        assert hashes.of(model) is None
    hashes.learn([model], [], never)
    assert hashes.of(model) is not None


def test_learning_stops_between_chunks(model: Path) -> None:
    hashes = FileHashes()
    hashes.learn([model], [], lambda: True)
    assert hashes.of(model) is None


def test_without_a_folder_to_write_hashes_are_in_memory(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    hashes = FileHashes(tmp_path / "file" / "hashes.json")
    hashes.learn([model], [], never)
    assert hashes.of(model) is not None


@pytest.mark.parametrize("text", ["[" * 100_000, "{}", '[[1, 2, 3, "a"]]', "[[]]", '"x"', "\x00", '[["a", 1]]'])
def test_odd_cache_is_no_cache(model: Path, tmp_path: Path, text: str) -> None:
    kept = tmp_path / "hashes.json"
    kept.write_text(text)
    hashes = FileHashes(kept)
    hashes.learn([model], [], never)
    known = hashes.of(model)
    assert known is not None
    assert known.sha256 == digest(model)


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to(path), Path.mkdir])
def test_what_is_no_file_has_no_hash(model: Path, make: Callable[[Path], object]) -> None:
    for name in ("y.safetensors", "SHA256SUMS"):
        make(model.with_name(name))
    hashes = FileHashes()
    hashes.learn([model, model.with_name("y.safetensors")], [model.parent], never)
    assert hashes.of(model) is not None
    assert hashes.of(model.with_name("y.safetensors")) is None


def test_list_of_digests_may_name_a_link_in_a_circle(model: Path) -> None:
    model.with_name("circle").symlink_to("circle")
    lines = [f"{'0' * 64}  circle", f"{digest(model)}  {model.name}"]
    model.with_name("SHA256SUMS").write_text("\n".join(lines) + "\n")
    hashes = FileHashes()
    hashes.adopt([model.parent])
    known = hashes.of(model.resolve())
    assert known is not None
    assert known.sha256 == digest(model)
