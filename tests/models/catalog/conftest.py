"""A models folder with two checkpoint folders and a single file."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("one", "two"):
        (tmp_path / name / "unet").mkdir(parents=True)
        (tmp_path / name / "model_index.json").write_text("{}")
        (tmp_path / name / "unet" / "x.safetensors").write_bytes(b"1234")
    (tmp_path / "three.safetensors").write_bytes(b"123456")
    return tmp_path
