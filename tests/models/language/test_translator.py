from pathlib import Path

import pytest
from transformers import MarianMTModel, MarianTokenizer

from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.language.translator import load
from server.commands.models.convert_translator import convert_translator
from server.prompts.engines.engine import EngineError
from server.prompts.engines.model import ModelEngine
from tests.support.marian import write_marian

CLAUSES = ["草地上的红房子", "海边的白猫", "蓝色小船"]


@pytest.fixture(scope="module")
def marian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_marian(tmp_path_factory.mktemp("marian") / "opus")


@pytest.fixture(scope="module")
def entry(marian: Path) -> ModelEntry:
    target = marian.with_name("opus-ct2")
    convert_translator(marian, target, "float32")
    return ModelEntry(name="opus", path=target, family="translator")


@pytest.mark.filterwarnings("ignore:Recommended")
def test_translations_are_those_of_transformers(marian: Path, entry: ModelEntry) -> None:
    tokenizer = MarianTokenizer.from_pretrained(marian, local_files_only=True)
    model = MarianMTModel.from_pretrained(marian, local_files_only=True).eval()
    expected = [
        tokenizer.decode(
            model.generate(**tokenizer(clause, return_tensors="pt"), num_beams=1, do_sample=False, max_new_tokens=20)[
                0
            ],
            skip_special_tokens=True,
        )
        for clause in CLAUSES
    ]
    found = load(entry).translate(CLAUSES)
    assert [words[: len(one)] for words, one in zip(found, expected, strict=True)] == expected
    assert all(expected)


async def test_engine_translates_in_its_thread_and_tells_what_is_broken(entry: ModelEntry, tmp_path: Path) -> None:
    engine = ModelEngine(entry)
    assert list(await engine.translate(CLAUSES)) == load(entry).translate(CLAUSES)
    await engine.close()
    broken = ModelEngine(ModelEntry(name="broken", path=tmp_path, family="translator"))
    with pytest.raises(EngineError, match="broken cannot be read"):
        await broken.translate(CLAUSES)
    await broken.close()


def test_broken_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="translator broken cannot be read"):
        load(ModelEntry(name="broken", path=tmp_path, family="translator"))
