import asyncio
import logging
from pathlib import Path

import pytest

from server.audit.moderation import Moderation
from server.audit.moderation_kinds import Subject
from server.audit.text_audit import SHORT, AuditedTexts, AuditUnavailableError, TextAudit, UnsafeTextError
from server.observability.metrics import REGISTRY
from server.settings import Settings
from server.task import AuditTerms
from server.tenancy.policy import AuditPolicy
from tests.support.moderation_service import ModerationService

SUBJECT = Subject("1", "red", "txt2img.sd")


def reported() -> float:
    labels = {"list": "sexual", "action": "report"}
    return REGISTRY.get_sample_value("hua_text_audit_matches_total", labels) or 0.0


@pytest.fixture
def settings(words: Path) -> Settings:
    return Settings(words=words)


@pytest.fixture
def audit(settings: Settings) -> TextAudit:
    return TextAudit(settings)


def service(moderator: ModerationService, words: Path, **more: object) -> TextAudit:
    settings = Settings(words=words, moderation_url=moderator.url, **more)
    return TextAudit(settings, Moderation.from_settings(settings))


async def judge(audit: TextAudit, prompt: str, **terms: object) -> AuditedTexts:
    return await audit.audit({"text": prompt}, AuditTerms(**terms), SUBJECT)


async def test_off_looks_at_nothing(tmp_path: Path) -> None:
    audit = TextAudit(Settings(words=tmp_path / "none"))
    assert (await judge(audit, "porn")).texts == {"text": "porn"}


@pytest.mark.parametrize("length", [0, SHORT])
async def test_refused_word_is_named_by_its_label(audit: TextAudit, length: int) -> None:
    with pytest.raises(UnsafeTextError) as error:
        await judge(audit, "p.o.r.n" + " house" * length, text="refuse")
    assert (error.value.field, error.value.reason) == ("text", "sexual")
    assert error.value.details == {"reason": "sexual"}
    assert "porn" not in str(error.value).replace(".", "")


async def test_reported_word_is_accepted(audit: TextAudit) -> None:
    before = reported()
    prompt = "porn, 裸体, the red queen"
    audited = await judge(audit, prompt, text="report")
    assert audited.texts == {"text": prompt}
    assert sorted(audited.reasons) == ["politics/people", "sexual", "sexual/nudity"]
    assert reported() == before + 1


async def test_masked_word_is_taken_out(audit: TextAudit) -> None:
    audited = await judge(audit, "a house, ((porn:1.2)), p*rn of a cat", text="mask")
    assert audited == AuditedTexts({"text": "a house, of a cat"}, ["sexual"], 2)


@pytest.mark.parametrize("text", ["porn", "((porn:1.2))", "porn, porn!"])
async def test_prompt_of_nothing_else_is_refused(audit: TextAudit, text: str) -> None:
    with pytest.raises(UnsafeTextError):
        await judge(audit, text, text="mask")


async def test_word_that_masking_makes_is_taken_out_too(audit: TextAudit) -> None:
    assert (await judge(audit, "p porn o r n of a cat", text="mask")).texts == {"text": "of a cat"}


async def test_chosen_lists_alone_count(audit: TextAudit) -> None:
    for lists in ("politics",), ("politics.people",):
        assert (await judge(audit, "porn", text="refuse", lists=lists)).reasons == []
        with pytest.raises(UnsafeTextError, match="politics/people"):
            await judge(audit, "red queen", text="refuse", lists=lists)


async def test_unknown_list_is_logged_once(audit: TextAudit, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    for _ in range(2):
        await judge(audit, "porn", text="refuse", lists=("pron", "politics"))
    assert caplog.text.count("'pron'; there are politics.people, sexual") == 1


async def test_allowed_words_do_not_count(audit: TextAudit) -> None:
    terms = {"text": "refuse", "allow": ("porn", "裸体雕像")}
    assert (await judge(audit, "porn, 裸体雕像", **terms)).reasons == []
    with pytest.raises(UnsafeTextError, match="nudity"):
        await judge(audit, "porn, 裸体", **terms)


async def test_lists_that_cannot_be_read_refuse_for_now(tmp_path: Path) -> None:
    with pytest.raises(AuditUnavailableError):
        await judge(TextAudit(Settings(words=tmp_path / "none")), "a house", text="refuse")


@pytest.mark.parametrize(
    ("default", "policy", "text", "moderation"),
    [
        ("off", None, "off", "refuse"),
        ("off", "off", "off", "off"),
        ("off", "mask", "mask", "mask"),
        ("report", None, "report", "report"),
        ("refuse", "off", "off", "off"),
    ],
)
def test_terms_of_tenants(words: Path, default: str, policy: str | None, text: str, moderation: str) -> None:
    settings = Settings(words=words, text_audit=default, moderation_url="http://127.0.0.1:1")
    audit = TextAudit(settings, Moderation.from_settings(settings))
    terms = audit.terms(AuditPolicy(text=policy, lists=("a",), allow=("b",), images="all"))
    assert terms == AuditTerms(text=text, moderation=moderation, lists=("a",), allow=("b",), images="all")
    assert TextAudit(settings).terms(AuditPolicy()).moderation == "off"


async def test_service_is_asked_after_the_lists(moderator: ModerationService, words: Path) -> None:
    audit, terms = service(moderator, words), {"text": "refuse", "moderation": "refuse"}
    with pytest.raises(UnsafeTextError, match="sexual"):
        await judge(audit, "porn", **terms)
    assert moderator.requests == []
    moderator.answer = {"pass": False, "label": "hate"}
    with pytest.raises(UnsafeTextError, match="hate"):
        await judge(audit, "a house", **terms)


async def test_service_sees_what_is_left_of_a_masked_text(moderator: ModerationService, words: Path) -> None:
    moderator.answer = {"pass": False, "label": "hate", "mask": [[0, 2], [99, 100]]}
    audited = await judge(service(moderator, words), "porn, a house", text="mask", moderation="mask")
    assert moderator.requests[0][1]["text"] == "a house"
    assert audited == AuditedTexts({"text": "house"}, ["sexual", "hate"], 2)


async def test_service_that_masks_nothing_refuses(moderator: ModerationService, words: Path) -> None:
    moderator.answer = {"pass": False, "label": "hate"}
    with pytest.raises(UnsafeTextError):
        await judge(service(moderator, words), "a house", moderation="mask")
    assert (await judge(service(moderator, words), "a house", moderation="report")).reasons == ["hate"]


async def test_service_without_an_answer_fails_closed(moderator: ModerationService, words: Path) -> None:
    moderator.answer = "close"
    with pytest.raises(AuditUnavailableError, match="unknown"):
        await judge(service(moderator, words), "a house", moderation="refuse")
    opened = service(moderator, words, moderation_open=True)
    assert (await judge(opened, "a house", moderation="refuse")).texts == {"text": "a house"}


async def test_service_of_images_alone_sees_no_text(moderator: ModerationService, words: Path) -> None:
    audit = service(moderator, words, moderation_of="images")
    assert audit.terms(AuditPolicy()).moderation == "off"
    await judge(audit, "a house", moderation="refuse")
    assert moderator.requests == []


async def test_service_that_hangs_delays_no_other_text(moderator: ModerationService, words: Path) -> None:
    moderator.answer = "hang"
    audit = service(moderator, words, moderation_timeout_s=30)
    slow = asyncio.create_task(judge(audit, "a house", moderation="refuse"))
    await moderator.asked.wait()
    with pytest.raises(UnsafeTextError):
        await judge(audit, "porn", text="refuse")
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
