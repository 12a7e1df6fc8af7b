import argparse
import shutil
from pathlib import Path

import pytest

from models import catalog
from models.files.weights_error import WeightsError
from server.commands.models.arguments import add_arguments
from server.commands.models.convert_translator import convert_translator
from server.settings import Settings
from tests.support.marian import write_marian


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_marian(tmp_path_factory.mktemp("marian") / "opus")


def test_converted_folder_is_a_translator_of_the_catalog(marian: Path, tmp_path: Path, capsys) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    arguments = parser.parse_args(["convert-translator", str(marian), str(tmp_path / "opus-ct2")])
    assert arguments.run(arguments, Settings(data_dir=tmp_path / "data")) == 0
    printed = capsys.readouterr().out
    assert "family: translator" in printed
    assert [path.name for path in tmp_path.iterdir()] == ["opus-ct2"]
    [entry] = catalog.read(tmp_path)
    assert (entry.name, entry.family) == ("opus-ct2", "translator")
    assert entry.bytes == (tmp_path / "opus-ct2" / "model.bin").stat().st_size


def test_folder_that_is_not_converted_is_a_problem_with_the_command(marian: Path) -> None:
    models = catalog.read(marian.parent)
    assert list(models) == []
    [problem] = models.problems
    assert "hua models convert-translator opus opus-ct2" in problem.message


def test_what_is_there_is_not_overwritten(marian: Path, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="exists already"):
        convert_translator(marian, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("source.spm", None, r"has no source\.spm"),
        ("config.json", b"{}", "does not name the class"),
        ("config.json", b'{"architectures": ["GPT2LMHeadModel"]}', "holds a GPT2LMHeadModel; only a MarianMTModel"),
        ("model.safetensors", None, r"has no \.safetensors weights"),
        ("model.safetensors", b"broken", "cannot be converted"),
    ],
)
def test_other_folders_are_refused(
    marian: Path, tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    folder = tmp_path / "broken"
    shutil.copytree(marian, folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(WeightsError, match=message):
        convert_translator(folder, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["broken"]
