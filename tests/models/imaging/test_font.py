from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import ImageFont

from models import catalog
from models.catalog.entry import FILE
from models.imaging.font import Font, FontError
from models.kinds.font import FONT
from models.kinds.kind import ModelRef
from models.registry import loaders

CPU = torch.device("cpu")
LIST = "models: [{name: sans, path: sans.ttf, family: font}]"


def test_font_of_models_yaml_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "sans.ttf").write_bytes(ImageFont.load_default(16).font_bytes)
    (tmp_path / FILE).write_text(LIST)
    font = loaders.load(catalog.read(tmp_path).find(ModelRef(FONT, "font")), CPU, torch.float32)
    assert isinstance(font, Font)
    assert font.bytes == len(font.file) == (tmp_path / "sans.ttf").stat().st_size


def test_file_that_is_no_font_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sans.ttf").write_bytes(b"words")
    (tmp_path / FILE).write_text(LIST)
    with pytest.raises(FontError, match=r"sans.ttf is no font that can be read"):
        loaders.load(catalog.read(tmp_path).find("sans"), CPU, torch.float32)


def test_other_files_are_a_problem(tmp_path: Path) -> None:
    (tmp_path / "sans.woff").write_bytes(b"words")
    (tmp_path / FILE).write_text("models: [{name: sans, path: sans.woff, family: font}]")
    [problem] = catalog.read(tmp_path).problems
    assert "give one .ttf, .otf, .ttc file" in problem.message
