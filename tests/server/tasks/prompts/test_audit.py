"""The audit of prompts as tasks are accepted: what is refused, masked and recorded."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import pytest

from server.audit.moderation import Moderation
from server.audit.text_audit import AuditUnavailableError, TextAudit, UnsafeTextError
from server.services import Services
from server.task import Task
from server.tasks.submission import Submission, submit
from server.tenancy.tenants import Tenants
from tests.support.moderation_service import moderation_service

STYLES = """
styles:
  - {id: bad, prompt: "nude {prompt}"}
"""
TENANTS = """
tenants:
  strict: {audit: {text: refuse}}
  mild: {audit: {text: mask}}
  quiet: {audit: {text: report, images: all}}
  free: {}
"""


async def accepted(services: Services, text: str, tenant: str, **params: Any) -> Task:
    submission = Submission(type="txt2img.sd", params={"text": text, **params}, tenant=tenant)
    return (await submit(services, submission)).task


@pytest.fixture
def settings(settings, tmp_path):
    (tmp_path / "tenants.yaml").write_text(TENANTS)
    return settings.model_copy(update={"tenants": tmp_path / "tenants.yaml"})


async def test_each_tenant_has_its_own_terms(services) -> None:
    with pytest.raises(UnsafeTextError):
        await accepted(services, "porn of a cat", "strict")
    masked = await accepted(services, "((porn:1.2)), a cat", "mild")
    assert masked.params["text"] == "a cat"
    assert len(masked.notes) == 1
    assert masked.original_prompts == {}
    reported = await accepted(services, "porn of a cat", "quiet")
    assert (reported.params["text"], reported.notes) == ("porn of a cat", ())
    assert reported.audit.images == "all"
    assert reported.reasons == masked.reasons == ("sexual/explicit",)
    assert (await accepted(services, "porn of a cat", "free")).reasons == ()


async def test_refused_task_leaves_nothing_behind(services, png, caplog) -> None:
    caplog.set_level(logging.INFO)
    submission = Submission(
        type="img2img.sd", params={"text": "porn", "url": "data:image/png;base64,AAAA"}, tenant="strict"
    )
    with pytest.raises(UnsafeTextError):
        await submit(services, dataclasses.replace(submission, idempotency_key="1"))
    assert (await services.queue.recent("strict", None, 1, 10))[1] == 0
    assert "porn" not in caplog.text


async def test_repeat_of_an_accepted_request_is_not_judged_again(services, settings) -> None:
    submission = Submission(type="txt2img.sd", params={"text": "porn"}, tenant="free", idempotency_key="1")
    first = (await submit(services, submission)).task
    strict = dataclasses.replace(services, text_audit=TextAudit(settings.model_copy(update={"text_audit": "refuse"})))
    assert (await submit(strict, submission)).task == first
    with pytest.raises(UnsafeTextError):
        await submit(strict, dataclasses.replace(submission, idempotency_key="2"))


async def test_negative_prompts_are_not_judged(services) -> None:
    assert (await accepted(services, "a cat", "strict", negative_prompt="nude, porn")).reasons == ()


async def test_nodes_of_workflows_are_judged(services) -> None:
    nodes = [
        {"key": "a", "endpoint": "txt2img.sd", "data": {"text": "a cat"}},
        {"key": "b", "endpoint": "txt2img.sd", "data": {"text": "裸體"}},
    ]
    with pytest.raises(UnsafeTextError) as error:
        await submit(
            services,
            Submission(type="workflow", params={"nodes": nodes, "target": "a", "intermediate": ["b"]}, tenant="strict"),
        )
    assert error.value.field == "nodes.1.data.text"


@pytest.mark.parametrize("more_models", [STYLES])
async def test_words_that_styles_and_variants_add_are_judged(services) -> None:
    with pytest.raises(UnsafeTextError, match="nudity"):
        await accepted(services, "a cat", "strict", styles=["bad"])
    task = await accepted(services, "a cat", "mild", styles=["bad"])
    assert task.params["text"] == "a cat"


async def test_service_is_asked_for_tenants_without_terms(services, settings) -> None:
    async with moderation_service() as moderator:
        moderated = settings.model_copy(update={"moderation_url": moderator.url})
        asking = dataclasses.replace(
            services, text_audit=TextAudit(moderated, Moderation.from_settings(moderated)), tenants=Tenants(settings)
        )
        moderator.answer = {"pass": False, "label": "hate"}
        with pytest.raises(UnsafeTextError, match="hate"):
            await accepted(asking, "a cat", "free")
        assert (
            moderator.requests[0][1] | {"tenant": "free", "type": "txt2img.sd", "text": "a cat"}
            == (moderator.requests[0][1])
        )
        moderator.answer = "close"
        with pytest.raises(AuditUnavailableError):
            await accepted(asking, "a cat", "free")
        assert (await services.queue.recent("free", None, 1, 10))[1] == 0
