import os
from pathlib import Path

import pytest

from server.api.models.previews import find_preview

PNG = b"\x89PNG\r\n\x1a\n"


def touch(file: Path, content: bytes = PNG) -> Path:
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("ending", [".png", ".preview.png", ".jpg", ".preview.jpeg", ".webp"])
def test_picture_has_the_name_of_the_model(tmp_path: Path, ending: str) -> None:
    model = touch(tmp_path / "国风 V3.2.safetensors")
    touch(tmp_path / "国风 V3.png")
    assert find_preview(model, [tmp_path]) is None
    picture = touch(tmp_path / f"国风 V3.2{ending}")
    os.utime(tmp_path, ns=(0, 1))  # a clock may be too coarse to show that the folder has changed
    assert find_preview(model, [tmp_path]) == picture


def test_picture_of_a_folder_has_its_whole_name(tmp_path: Path) -> None:
    (tmp_path / "sd-v1.5").mkdir()
    picture = touch(tmp_path / "sd-v1.5.png")
    assert find_preview(tmp_path / "sd-v1.5", [tmp_path]) == picture


def test_pictures_outside_of_the_models_folders_are_not_found(tmp_path: Path) -> None:
    secret = touch(tmp_path / "secret.png")
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "x.png").symlink_to(secret)
    assert find_preview(folder / "x.safetensors", [folder]) is None
    assert find_preview(tmp_path / "secret.safetensors", [folder]) is None


def test_link_in_a_circle_is_no_picture(tmp_path: Path) -> None:
    (tmp_path / "x.png").symlink_to("x.png")
    picture = touch(tmp_path / "x.webp")
    assert find_preview(tmp_path / "x.safetensors", [tmp_path]) == picture
