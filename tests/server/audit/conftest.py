from collections.abc import AsyncIterator
from pathlib import Path

import pytest

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
