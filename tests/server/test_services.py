"""The services for given settings, and settings that are refused at the start."""

from pathlib import Path

import pytest

from models.catalog.entry import CatalogError
from server.services import Services
from server.settings import Settings, SettingsError


@pytest.mark.parametrize(("audit", "says"), [("toy", "is of family sd1"), ("gone", "there is no model 'gone'")])
def test_unusable_audit_model_prevents_the_start(settings: Settings, audit: str, says: str) -> None:
    with pytest.raises(SettingsError, match=f"HUA_AUDIT={audit}: .*{says}"):
        Services.from_settings(settings.model_copy(update={"audit": (audit,)}))


def test_missing_folder_of_word_lists_prevents_the_start(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="HUA_WORDS"):
        Services.from_settings(settings.model_copy(update={"words": tmp_path / "none"}))


async def test_controller_needs_no_models(settings: Settings, tmp_path: Path) -> None:
    """docs/roles.md: its machine need not have their folder; the audit's model is the workers' business, too."""
    elsewhere = settings.model_copy(update={"models_dir": tmp_path / "none", "audit": ("gone",)})
    services = Services.from_settings(elsewhere, with_models=False)
    assert list(services.catalog) == []
    await services.close()
    with pytest.raises(CatalogError, match="none is not a folder"):
        Services.from_settings(elsewhere)


@pytest.mark.parametrize(("name", "says"), [("bucket", "images cannot be stored"), ("logs.sqlite", "restore it from")])
def test_file_in_the_place_of_another_is_reported(settings: Settings, name: str, says: str) -> None:
    settings.data_dir.mkdir()
    (settings.data_dir / name).write_text("nonsense " * 1000)
    with pytest.raises(SettingsError, match=rf"{says}") as caught:
        Services.from_settings(settings)
    assert str(settings.data_dir / name) in str(caught.value)
