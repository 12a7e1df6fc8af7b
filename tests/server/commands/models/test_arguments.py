import argparse
from pathlib import Path

import pytest

from models.catalog.checksums import ChecksumError, is_marked
from models.catalog.file_hashes import compute
from server.commands.models.arguments import add_arguments
from server.settings import Settings
from tests.support import model_files as files


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Two models folders, with one file each."""
    for folder, shapes in (("one", files.LORA_SD1), ("two", files.ESRGAN)):
        files.write_model(tmp_path / folder / f"{folder}.safetensors", shapes)
    return Settings(data_dir=tmp_path / "data", models_dir=f"{tmp_path}/one:{tmp_path}/two")


def run(settings: Settings, *words: str) -> object:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = parser.parse_args(words)
    return arguments.run(arguments, settings)


def list_sums(folder: Path) -> str:
    """Writes SHA256SUMS, and returns the hash of the one file in the folder."""
    [file] = folder.glob("*.safetensors")
    found = compute(file)
    assert found is not None
    (folder / "SHA256SUMS").write_text(f"{found.sha256}  {file.name}\n")
    return found.sha256


def test_list_has_a_column_of_hashes_if_any_is_known(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    run(settings, "list")
    plain = capsys.readouterr().out
    assert [line.split()[:2] for line in plain.splitlines()] == [["one", "lora"], ["two", "upscaler"]]
    known = list_sums(settings.models_paths[1])
    run(settings, "list")
    first, second = capsys.readouterr().out.splitlines()
    assert second.endswith(f"MiB  {known[:10]}  ")
    assert len(first) == len(second)


def test_columns_of_the_list_stand_below_each_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files.write_model(tmp_path / f"{'long' * 10}.safetensors", files.LORA_SD1)
    files.write_model(tmp_path / "short.safetensors", files.ESRGAN)
    run(Settings(data_dir=tmp_path / "data", models_dir=tmp_path), "list")
    first, second = capsys.readouterr().out.splitlines()
    assert first.index("lora") == second.index("upscaler")
    assert first.index("MiB") == second.index("MiB")


def test_verify_reads_every_models_folder(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    for folder in settings.models_paths:
        list_sums(folder)
    run(settings, "verify", "--mark")
    assert "one.safetensors: as listed" in (printed := capsys.readouterr().out)
    assert "two.safetensors: as listed" in printed
    assert all(map(is_marked, settings.models_paths))
    (settings.models_paths[1] / "two.safetensors").write_bytes(b"torn")
    with pytest.raises(ChecksumError, match=r"two\.safetensors has the SHA-256"):
        run(settings, "verify")


def test_inspect_prints_the_hashes(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    file = settings.models_path / "one.safetensors"
    found = compute(file)
    assert found is not None
    assert run(settings, "inspect", str(file)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"sha256: {found.sha256}" in lines
    assert f"hash (AutoV2): {found.sha256[:10]}" in lines
    assert f"hash of the tensors (AutoV3): {found.tensors[:12]}" in lines
    run(settings, "inspect", "--no-sha256", str(file))
    assert "sha256" not in capsys.readouterr().out
