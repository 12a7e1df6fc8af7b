"""`hua compile` fills the package folder of the workers."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.__main__ import _parser
from server.commands.compile_ahead import compile_ahead
from server.settings import Settings, SettingsError


def test_compile_makes_one_package_per_kind_of_step(package: Path) -> None:
    """The fixture `package` is built by the command itself."""
    assert package.name.startswith("unet-2x8x8-")
    assert {file.suffix for file in package.parent.iterdir()} == {".pt2", ".lock"}, "something is left behind"


def test_compile_skips_existing_packages(package: Path, compiled_dir: Path) -> None:
    settings = Settings(models_dir=compiled_dir, compile=package.parent, device="cpu")
    assert list(compile_ahead(settings, ["tiny"], [], [])) == []


def test_compile_needs_a_folder(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HUA_COMPILE is not set"):
        list(compile_ahead(Settings(data_dir=tmp_path), [], [], []))


@pytest.mark.parametrize("size", ["512", "512x515", "0x8x8"])
def test_wrong_size_is_refused(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        _parser().parse_args(["compile", "--size", size])
    assert "is not a size; write WIDTHxHEIGHT" in capsys.readouterr().err
