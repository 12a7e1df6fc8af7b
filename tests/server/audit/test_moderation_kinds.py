import base64
import hashlib
import hmac
from collections.abc import Callable

import pytest

from server.audit.moderation import Moderation
from server.audit.moderation_kinds import Judgement, Subject
from tests.support.moderation_service import ModerationService

SUBJECT = Subject("task-1", "red", "txt2img.sd")
Open = Callable[..., Moderation]


async def test_webhook_gets_text_and_its_subject(moderator: ModerationService, open_moderation: Open) -> None:
    assert await open_moderation().judge("a house", SUBJECT) == Judgement()
    ((headers, body),) = moderator.requests
    assert body == {"id": "task-1", "tenant": "red", "type": "txt2img.sd", "kind": "text", "text": "a house"}
    assert "webhook-signature" not in headers


@pytest.mark.parametrize(("key", "secret"), [("whsec_" + base64.b64encode(b"abc").decode(), b"abc"), ("word", b"word")])
async def test_webhook_is_signed(moderator: ModerationService, open_moderation: Open, key: str, secret: bytes) -> None:
    await open_moderation(moderation_key=key).judge("x", SUBJECT)
    headers = moderator.requests[0][0]
    signed = f"task-1.{headers['webhook-timestamp']}.".encode() + moderator.raw[0]
    expected = base64.b64encode(hmac.digest(secret, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


async def test_webhook_gets_an_image(moderator: ModerationService, open_moderation: Open) -> None:
    await open_moderation().judge(b"\xff\xd8jpeg", SUBJECT)
    body = moderator.requests[0][1]
    assert (body["kind"], base64.b64decode(body["image"])) == ("image", b"\xff\xd8jpeg")


@pytest.mark.parametrize(
    ("answer", "judgement"),
    [
        ({"pass": False, "label": "porn"}, Judgement("porn")),
        ({"pass": False, "label": "porn", "category": "a\nb", "sublabel": "c" * 99}, Judgement(f"porn/a b/{'c' * 64}")),
        ({"pass": False}, Judgement("unsafe")),
        ({"pass": False, "label": "a", "mask": [[1, 3], [5, 6]]}, Judgement("a", ((1, 3), (5, 6)))),
        ({"pass": True, "label": "a", "more": 1}, Judgement()),
    ],
)
async def test_answers_of_a_webhook(
    moderator: ModerationService, open_moderation: Open, answer: dict[str, object], judgement: Judgement
) -> None:
    moderator.answer = answer
    assert await open_moderation().judge("x", SUBJECT) == judgement


async def test_openai_gets_its_own_shape(moderator: ModerationService, open_moderation: Open) -> None:
    moderator.answer = {"results": [{"flagged": True, "categories": {"hate": False, "sexual/minors": True, "x": True}}]}
    moderation = open_moderation(moderation_kind="openai", moderation_key="secret")
    assert await moderation.judge("x", SUBJECT) == Judgement("sexual/minors")
    assert await moderation.judge(b"jpeg", SUBJECT) == Judgement("sexual/minors")
    (headers, text), (_, image) = moderator.requests
    assert headers["path"] == "/check/moderations"
    assert headers["authorization"] == "Bearer secret"
    assert text == {"model": "omni-moderation-latest", "input": [{"type": "text", "text": "x"}]}
    assert image["input"] == [{"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,anBlZw=="}}]


async def test_openai_passes_what_is_not_flagged(moderator: ModerationService, open_moderation: Open) -> None:
    moderator.answer = {"results": [{"flagged": False, "categories": {"hate": None}}]}
    assert await open_moderation(moderation_kind="openai").judge("x", SUBJECT) == Judgement()
