from __future__ import annotations

import os
from pathlib import Path

import pytest

from models.catalog.folder_reader import FolderReader
from tests.support import model_files as files
from tests.support.model_files import write_model
from tests.support.models_yaml import write_entries


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path / "models" / "dream.safetensors", files.SD1)
    return tmp_path / "models"


def test_nothing_is_read_again_while_nothing_changes(folder: Path) -> None:
    write_entries(folder, "{name: dream, title: A dream}")
    read = FolderReader([folder])
    first = read()
    assert read() is first
    (folder / "notes.txt").write_text("no model")
    assert read() is first
    write_entries(folder, "{name: dream, title: Another}")
    assert read().find("dream").title == "Another"


def test_file_elsewhere_is_looked_at_each_time(folder: Path, tmp_path: Path) -> None:
    """A scan of the folder does not see it come, change and go."""
    elsewhere = tmp_path / "elsewhere" / "ink.safetensors"
    write_entries(folder, f"{{name: ink, path: {elsewhere}, family: lora, for: sd1}}")
    read = FolderReader([folder])
    assert "does not exist" in read().problems[0].message
    write_model(elsewhere, files.LORA_SD1)
    stamp = read().find("ink").stamp
    os.utime(elsewhere, (1, 1))
    assert read().find("ink").stamp != stamp
    elsewhere.unlink()
    assert "does not exist" in read().problems[0].message
