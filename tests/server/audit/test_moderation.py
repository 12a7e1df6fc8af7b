import asyncio
from collections.abc import Callable

import pytest

from server.audit.moderation import MOST_AT_ONCE, Moderation, ModerationError
from server.audit.moderation_kinds import Subject
from server.settings import Settings
from tests.support.moderation_service import ModerationService

SUBJECT = Subject("task-1", "red", "txt2img.sd")
Open = Callable[..., Moderation]


def test_without_an_address_there_is_none() -> None:
    assert Moderation.from_settings(Settings()) is None


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"rubbish", 200),
        (b"", 200),
        ({"pass": "yes"}, 200),
        ({"flagged": False}, 200),
        ({"pass": False, "mask": "all"}, 200),
        ({"pass": True}, 500),
        ({"pass": True}, 302),
        (b"x" * (2 << 20), 200),
        ("close", 200),
    ],
)
@pytest.mark.parametrize("kind", ["webhook", "openai"])
async def test_answer_that_cannot_be_used_is_unknown(
    moderator: ModerationService, open_moderation: Open, kind: str, answer: object, status: int
) -> None:
    moderator.answer, moderator.status = answer, status  # type: ignore[assignment]
    with pytest.raises(ModerationError) as error:
        await open_moderation(moderation_kind=kind).judge("x", SUBJECT)
    assert error.value.reason == "unknown"


async def test_service_that_hangs_is_a_timeout(moderator: ModerationService) -> None:
    moderator.answer = "hang"
    protocol = Moderation.from_settings(Settings(moderation_url=moderator.url, moderation_timeout_s=1))
    assert protocol is not None
    with pytest.raises(ModerationError) as error:
        await protocol.judge("x", SUBJECT)
    assert error.value.reason == "timeout"


async def test_service_that_is_away_is_unknown(open_moderation: Open, moderator: ModerationService) -> None:
    moderator.url = "http://127.0.0.1:1/check"
    with pytest.raises(ModerationError) as error:
        await open_moderation().judge("x", SUBJECT)
    assert error.value.reason == "unknown"


async def test_requests_are_few_at_a_time(moderator: ModerationService, open_moderation: Open) -> None:
    moderator.answer = "hang"
    moderation = open_moderation(moderation_timeout_s=30)
    judging = [asyncio.create_task(moderation.judge("x", SUBJECT)) for _ in range(MOST_AT_ONCE + 3)]
    while len(moderator.requests) < MOST_AT_ONCE:
        await asyncio.sleep(0.01)
    assert len(moderator.requests) == MOST_AT_ONCE
    for task in judging:
        task.cancel()
    await asyncio.gather(*judging, return_exceptions=True)
