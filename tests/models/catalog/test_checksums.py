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


def test_verify_counts_and_reports_the_files(folder: Path) -> None:
    verified: list[str] = []
    assert checksums.verify(folder, verified.append) == 2
    assert verified == ["a/unet.safetensors", "models.yaml"]


def test_verify_names_a_changed_file(folder: Path) -> None:
    (folder / "a" / "unet.safetensors").write_bytes(b"Weights")
    with pytest.raises(ChecksumError, match=r"a/unet\.safetensors has the SHA-256"):
        checksums.verify(folder)


def test_verify_names_a_missing_file(folder: Path) -> None:
    (folder / "models.yaml").unlink()
    with pytest.raises(ChecksumError, match=r"models\.yaml .*No such file"):
        checksums.verify(folder)


def test_verify_refuses_unlisted_weights(folder: Path) -> None:
    (folder / "a" / "lora.safetensors").write_bytes(b"more")
    with pytest.raises(ChecksumError, match=r"a/lora\.safetensors is not in SHA256SUMS"):
        checksums.verify(folder)


def test_verify_refuses_an_unlisted_half_of_an_ncnn_pair(folder: Path) -> None:
    (folder / "old.bin").write_bytes(b"never loaded")
    assert checksums.verify(folder) == 2
    for name in ("x4.param", "x4.bin"):
        (folder / "x4.param").write_bytes(b"text")
        (folder / name).write_bytes(b"more")
        with pytest.raises(ChecksumError, match=rf"{name} is not in SHA256SUMS"):
            checksums.verify(folder)


@pytest.mark.parametrize("line", ["", "models.yaml", f"{'g' * 64}  models.yaml", f"{'0' * 63}  models.yaml"])
def test_read_names_the_number_of_a_wrong_line(folder: Path, line: str) -> None:
    sums = folder / "SHA256SUMS"
    sums.write_text(f"{sums.read_text()}{line}\n")
    with pytest.raises(ChecksumError, match="line 3 of"):
        checksums.verify(folder)


def test_verify_reads_no_file_outside_the_folder(folder: Path) -> None:
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  ../secret\n")
    with pytest.raises(ChecksumError, match="leads out of the models folder"):
        checksums.verify(folder)


def test_mark_is_valid_only_for_its_list(folder: Path) -> None:
    with pytest.raises(ChecksumError, match="have not been verified"):
        checksums.wait(folder, 0)
    checksums.verify(folder)
    checksums.mark(folder)
    checksums.wait(folder, 0)
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  models.yaml\n")
    assert not checksums.is_marked(folder)


def test_read_refuses_a_missing_or_empty_list(folder: Path) -> None:
    (folder / "SHA256SUMS").write_text("")
    with pytest.raises(ChecksumError, match="is empty"):
        checksums.verify(folder)
    (folder / "SHA256SUMS").unlink()
    with pytest.raises(ChecksumError, match=r"find \. -type f"):
        checksums.verify(folder)
