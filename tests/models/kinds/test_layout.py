from pathlib import Path

import pytest

from models.kinds.layout import FileOrNcnnPair, FolderOrFile, LayoutError, PretrainedFolder, SingleFile


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "unet").mkdir()
    for name in ("a.safetensors", "unet/b.safetensors", "notes.txt"):
        (tmp_path / name).write_bytes(b"1234")
    (tmp_path / "config.json").write_text("{}")
    return tmp_path


def test_single_file_is_weighed_or_refused(folder: Path) -> None:
    assert SingleFile().weigh(folder / "a.safetensors") == 4
    assert SingleFile(".txt").weigh(folder / "notes.txt") == 4
    with pytest.raises(LayoutError, match=r"is a folder; give one \.safetensors file"):
        SingleFile().weigh(folder)
    with pytest.raises(LayoutError, match=r"notes\.txt is not a model file; give a \.safetensors file"):
        SingleFile().weigh(folder / "notes.txt")


def test_ncnn_pair_weighs_as_its_weights(folder: Path) -> None:
    (folder / "a.param").write_text("7767517")
    (folder / "a.bin").write_bytes(b"123456")
    assert FileOrNcnnPair().weigh(folder / "a.param") == 6
    assert FileOrNcnnPair().weigh(folder / "a.safetensors") == 4
    (folder / "a.bin").unlink()
    with pytest.raises(LayoutError, match=r"a\.param is half of an ncnn model: a\.bin is missing; put it beside it"):
        FileOrNcnnPair().weigh(folder / "a.param")
    with pytest.raises(LayoutError, match=r"notes\.txt is not a model file; give a \.safetensors file"):
        FileOrNcnnPair().weigh(folder / "notes.txt")


def test_folder_or_file_counts_subfolders(folder: Path) -> None:
    assert FolderOrFile().weigh(folder) == 8
    assert FolderOrFile().weigh(folder / "a.safetensors") == 4
    with pytest.raises(LayoutError, match=r"has no model_index\.json; give a diffusers folder"):
        FolderOrFile().weigh(folder / "unet")


def test_pretrained_folder_counts_its_own_weights(folder: Path) -> None:
    assert PretrainedFolder().weigh(folder) == 4
    with pytest.raises(LayoutError, match=r"is not a folder with a config\.json"):
        PretrainedFolder().weigh(folder / "unet")
