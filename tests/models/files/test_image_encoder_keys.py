from pathlib import Path

import pytest

from models.files.image_encoder_keys import (
    EncoderWidths,
    NeededWidth,
    encoder_folder_widths,
    encoder_widths,
    needed_width,
)
from models.files.safetensors_header import read_header
from tests.support import model_files as files


@pytest.mark.parametrize(
    ("key", "needed"),
    [
        ("image_proj.proj.weight", NeededWidth(projected=True, width=24)),
        ("image_proj.proj_in.weight", NeededWidth(projected=False, width=24)),
        ("image_proj.proj.0.weight", NeededWidth(projected=False, width=24)),
        ("image_proj.other.weight", None),
    ],
)
def test_adapter_reads_the_image_or_its_patches(key: str, needed: NeededWidth | None, tmp_path: Path) -> None:
    file = files.write_model(tmp_path / "x.safetensors", {key: (8, 24)})
    assert needed_width(read_header(file)) == needed


def test_width_fits_that_part_of_the_encoder() -> None:
    widths = EncoderWidths(hidden=32, projected=24)
    assert NeededWidth(projected=True, width=24).fits(widths)
    assert NeededWidth(projected=False, width=32).fits(widths)
    assert not NeededWidth(projected=False, width=24).fits(widths)


def test_other_files_and_folders_are_no_encoders(tmp_path: Path) -> None:
    assert encoder_widths(read_header(files.write_model(tmp_path / "x.safetensors", files.SD1))) is None
    assert encoder_folder_widths(tmp_path) is None
    (tmp_path / "config.json").write_text("[]")
    assert encoder_folder_widths(tmp_path) is None
    (tmp_path / "config.json").write_text('{"architectures": ["CLIPVisionModelWithProjection"]}')
    assert encoder_folder_widths(tmp_path) is None
    files.write_model(tmp_path / "y.safetensors", files.image_encoder(32, 24))
    assert encoder_folder_widths(tmp_path) == (32, 24)
