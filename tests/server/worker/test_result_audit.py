"""What the worker audits between the device and the bucket: images by the service, texts by lists and service."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import io
from collections.abc import AsyncIterator

import numpy as np
import pytest
from PIL import Image

import pipelines
from pipelines.pipeline import TaskResult
from server.audit.moderation import Moderation
from server.audit.text_audit import AuditUnavailableError, TextAudit, UnsafeTextError
from server.services import Services
from server.task import NO_AUDIT, AuditTerms, Task
from server.worker.result_audit import LONGEST_SIDE, ResultAudit
from tests.support.moderation_service import ModerationService, moderation_service

REFUSE = AuditTerms(text="refuse")


@pytest.fixture
async def moderator() -> AsyncIterator[ModerationService]:
    async with moderation_service() as service:
        yield service


def task(type: str = "txt2img.sd", terms: AuditTerms = NO_AUDIT) -> Task:
    return Task(id="1", type=type, params={"text": "x"}, tenant="red", created_at=1.0, audit=terms)


def audit(services: Services, moderator: ModerationService | None, audited: Task, **more: object) -> ResultAudit:
    url = moderator.url if moderator else ""
    settings = services.settings.model_copy(update={"moderation_url": url, **more})
    moderation = Moderation.from_settings(settings)
    return ResultAudit(
        dataclasses.replace(
            services, settings=settings, moderation=moderation, text_audit=TextAudit(settings, moderation)
        ),
        audited,
    )


PARAMS = pipelines.find("txt2img.sd").Params(text="x")


def picture(side: int = 8, value: int = 200) -> np.ndarray:
    return np.full((side, side, 3), value, np.uint8)


async def test_without_a_service_results_stay_as_they_are(services) -> None:
    result = TaskResult([picture()])
    checks = audit(services, None, task())
    assert await checks.check(result, PARAMS) is result
    assert not checks.sees_images(PARAMS)


async def test_image_is_sent_as_a_small_jpeg(services, moderator) -> None:
    result = TaskResult([picture(2000)])
    checks = audit(services, moderator, task())
    assert checks.sees_images(PARAMS)
    assert await checks.check(result, PARAMS) is result
    body = moderator.requests[0][1]
    assert (body["id"], body["tenant"], body["type"]) == ("1", "red", "txt2img.sd")
    sent = Image.open(io.BytesIO(base64.b64decode(body["image"])))
    assert (sent.format, sent.size) == ("JPEG", (LONGEST_SIDE, LONGEST_SIDE))


async def test_unsafe_images_are_withheld(services, moderator) -> None:
    moderator.answer = {"pass": False, "label": "gore", "category": "war"}
    result = TaskResult([picture(), picture()], [picture()], reasons=["unsafe/concept 1", "", ""])
    checked = await audit(services, moderator, task()).check(result, PARAMS)
    assert list(checked.reasons) == ["unsafe/concept 1", "gore/war", "gore/war"]
    assert not any(each.any() for each in (*checked.images, *checked.hints))
    assert len(moderator.requests) == 2


@pytest.mark.parametrize(("answer", "reason"), [("hang", "timeout"), ("close", "unknown"), (b"rubbish", "unknown")])
async def test_image_without_a_judgement_is_withheld(services, moderator, answer, reason) -> None:
    moderator.answer = answer
    closed = audit(services, moderator, task(), moderation_timeout_s=0.05 if answer == "hang" else 3)
    assert list((await closed.check(TaskResult([picture()]), PARAMS)).reasons) == [reason]
    if answer != "hang":
        opened = audit(services, moderator, task(), moderation_open=True)
        assert list((await opened.check(TaskResult([picture()]), PARAMS)).reasons) == []


@pytest.mark.parametrize(
    ("more", "terms"),
    [({"moderation_of": ("text",)}, AuditTerms()), ({}, AuditTerms(images="off"))],
)
async def test_images_that_nobody_asked_for_are_not_sent(services, moderator, more, terms) -> None:
    checks = audit(services, moderator, task(terms=terms), **more)
    assert not checks.sees_images(PARAMS)
    await checks.check(TaskResult([picture()]), PARAMS)
    assert moderator.requests == []


@pytest.mark.parametrize(("terms", "seen"), [(AuditTerms(), False), (AuditTerms(images="all"), True)])
async def test_terms_extend_what_is_audited(services, moderator, terms, seen) -> None:
    params = pipelines.find("img2img.sr").Params(url="x")
    assert audit(services, moderator, task("img2img.sr", terms)).sees_images(params) is seen


async def test_texts_are_judged_before_they_are_given_out(services) -> None:
    result = TaskResult(answer={"texts": ["a cat", "p.o.r.n of a cat"], "count": 2})
    with pytest.raises(UnsafeTextError) as error:
        await audit(services, None, task("txt2txt.prompt_enhance", REFUSE)).check(result, PARAMS)
    assert error.value.field == "texts.1"
    masking = audit(services, None, task("txt2txt.prompt_enhance", AuditTerms(text="mask")))
    assert (await masking.check(result, PARAMS)).answer == {"texts": ["a cat", "of a cat"], "count": 2}


async def test_text_without_a_judgement_is_not_given_out(services, moderator) -> None:
    moderator.answer = "close"
    checks = audit(services, moderator, task("img2txt.caption", AuditTerms(moderation="refuse")))
    with pytest.raises(AuditUnavailableError):
        await checks.check(TaskResult(answer={"text": "a cat"}), PARAMS)


async def test_slow_service_delays_no_other_task(services, moderator) -> None:
    moderator.answer = "hang"
    slow = asyncio.create_task(
        audit(services, moderator, task(), moderation_timeout_s=30).check(TaskResult([picture()]), PARAMS)
    )
    await moderator.asked.wait()
    other = audit(services, moderator, task(terms=AuditTerms(images="off")))
    await other.check(TaskResult([picture()]), PARAMS)
    assert not slow.done()
    slow.cancel()
    await asyncio.gather(slow, return_exceptions=True)
