from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from server.audit.moderation import Moderation
from server.settings import Settings
from tests.support.moderation_service import ModerationService, moderation_service


@pytest.fixture
async def moderator() -> AsyncIterator[ModerationService]:
    async with moderation_service() as service:
        yield service


@pytest.fixture
def words(tmp_path: Path) -> Path:
    """A folder with two word lists."""
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / "sexual.txt").write_text("porn\n!porn museum\n## nudity\n裸体\n", encoding="utf-8")
    (folder / "politics.people.txt").write_text("red queen\n", encoding="utf-8")
    return folder


@pytest.fixture
def open_moderation(moderator: ModerationService) -> Callable[..., Moderation]:
    """Opens a client of the service, with these settings."""

    def open_it(**settings: object) -> Moderation:
        moderation = Moderation.from_settings(Settings(moderation_url=moderator.url, **settings))
        assert moderation is not None
        return moderation

    return open_it
