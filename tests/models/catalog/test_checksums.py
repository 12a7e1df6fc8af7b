import subprocess
from pathlib import Path

import pytest

from models.catalog import checksums
from models.catalog.checksums import ChecksumError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "unet.safetensors").write_bytes(b"weights")
    (tmp_path / "models.yaml").write_text("models: []")
    (tmp_path / "SHA256SUMS").write_bytes(
        subprocess.check_output(["sha256sum", "./a/unet.safetensors", "models.yaml"], cwd=tmp_path)
    )
    return tmp_path


def test_files_are_those_of_the_list(folder: Path) -> None:
    seen: list[str] = []
    assert checksums.verify(folder, seen.append) == 2
    assert seen == ["a/unet.safetensors", "models.yaml"]


def test_a_changed_file_is_named(folder: Path) -> None:
    (folder / "a" / "unet.safetensors").write_bytes(b"Weights")
    with pytest.raises(ChecksumError, match=r"a/unet\.safetensors has the SHA-256"):
        checksums.verify(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "models.yaml").unlink()
    with pytest.raises(ChecksumError, match=r"models\.yaml .*No such file"):
        checksums.verify(folder)


def test_weights_that_nobody_listed_are_refused(folder: Path) -> None:
    (folder / "a" / "lora.safetensors").write_bytes(b"more")
    with pytest.raises(ChecksumError, match=r"a/lora\.safetensors is not in SHA256SUMS"):
        checksums.verify(folder)


@pytest.mark.parametrize("line", ["", "models.yaml", f"{'g' * 64}  models.yaml", f"{'0' * 63}  models.yaml"])
def test_a_line_that_is_none_is_told_by_its_number(folder: Path, line: str) -> None:
    sums = folder / "SHA256SUMS"
    sums.write_text(f"{sums.read_text()}{line}\n")
    with pytest.raises(ChecksumError, match="line 3 of"):
        checksums.verify(folder)


def test_no_file_outside_is_read(folder: Path) -> None:
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  ../secret\n")
    with pytest.raises(ChecksumError, match="leads out of the models folder"):
        checksums.verify(folder)


def test_a_mark_is_good_for_its_list_alone(folder: Path) -> None:
    with pytest.raises(ChecksumError, match="have not been verified"):
        checksums.wait(folder, 0)
    checksums.verify(folder)
    checksums.mark(folder)
    checksums.wait(folder, 0)
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  models.yaml\n")
    assert not checksums.marked(folder)


def test_a_list_that_is_missing_or_empty_is_no_list(folder: Path) -> None:
    (folder / "SHA256SUMS").write_text("")
    with pytest.raises(ChecksumError, match="is empty"):
        checksums.verify(folder)
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(ChecksumError, match=r"find \. -type f"):
        checksums.verify(folder)
