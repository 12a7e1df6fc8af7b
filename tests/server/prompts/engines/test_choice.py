from pathlib import Path

import pytest

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.catalog.live_catalog import LiveCatalog
from server.commands.preflight.weights import check_models
from server.llm import LLM
from server.prompts.engines.choice import EngineChoice, check_translator
from server.settings import Settings, SettingsError

ENTRIES = (
    ModelEntry(name="toy", path=Path("toy"), family="sd1", default=True),
    ModelEntry(name="opus", path=Path("opus"), family="translator", aliases=("zh-en",), stamp="1"),
    ModelEntry(name="other", path=Path("other"), family="translator", stamp="1"),
)


def choice(translator: str, models: LiveCatalog) -> EngineChoice:
    settings = Settings(translator=translator, llm_url="http://127.0.0.1:1/v1", llm_model="small")
    return EngineChoice(settings, models, LLM(settings))


@pytest.mark.parametrize(
    ("translator", "version"),
    [("auto", "opus 1"), ("other", "other 1"), ("zh-en", "opus 1"), ("llm", "small"), ("gloss", None), ("off", None)],
)
async def test_engine_is_the_one_that_the_setting_names(translator: str, version: str | None) -> None:
    engine = choice(translator, LiveCatalog(lambda: Catalog(ENTRIES))).current
    assert (engine and engine.version) == version


async def test_engine_follows_the_models_folder() -> None:
    entries = list(ENTRIES)
    models = LiveCatalog(lambda: Catalog(tuple(entries)))
    chosen = choice("auto", models)
    first = chosen.current
    assert chosen.current is first
    entries[1] = entries[1].model_copy(update={"stamp": "2"})
    models.refresh()
    assert chosen.current is not None
    assert chosen.current.version == "opus 2"
    del entries[1:]
    models.refresh()
    assert chosen.current is None
    await chosen.close()


@pytest.mark.parametrize(
    ("translator", "message"),
    [
        ("llm", "set HUA_LLM_URL"),
        ("toy", "no model of family translator with this name; there are opus, other"),
        ("gone", "no model of family translator"),
    ],
)
def test_engine_that_is_not_there_prevents_the_start(translator: str, message: str) -> None:
    with pytest.raises(SettingsError, match=f"HUA_TRANSLATOR={translator}.*{message}"):
        check_translator(Settings(translator=translator), Catalog(ENTRIES))


def test_preflight_reports_an_engine_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "toy.safetensors").write_bytes(b"weights")
    (tmp_path / "models.yaml").write_text("models: [{name: toy, path: toy.safetensors, family: sd1}]")
    settings = Settings(models_dir=tmp_path, translator="gone")
    [finding] = [finding for finding in check_models(settings) if finding.check == "translator"]
    assert (finding.result, "HUA_TRANSLATOR=gone" in finding.message) == ("fail", True)
