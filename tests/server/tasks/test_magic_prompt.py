"""Longer prompts before a task is submitted, and tasks whose prompts the language model writes."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator

import pytest

from server.audit.text_audit import TextAudit, UnsafeTextError
from server.llm import LLMError
from server.tasks import magic_prompt as module
from server.tasks.magic_prompt import magic_prompt
from server.tasks.submission import InvalidParamsError, Submission, submit
from tests.support.chat_server import ChatServer, Reply, completion

WRITTEN = Submission(type="txt2txt.prompt_enhance", params={"text": "a", "model": "llm"}, tenant="red")
LONG = "a red house on the green grass by the blue sea at night, stars"


@pytest.fixture
async def language_model() -> AsyncIterator[ChatServer]:
    answer = json.dumps({"prompts": ["a white cat, soft light", "a black cat", "a cat"]})
    async with ChatServer(lambda body: completion(answer)) as server:
        yield server


@pytest.fixture
async def overrides(language_model) -> dict[str, object]:
    return {"llm_url": language_model.url}


@pytest.mark.parametrize(
    ("prompt", "magic", "painted"),
    [
        ("a cat", "AUTO", "a white cat, soft light"),
        ("a cat", "OFF", "a cat"),
        (LONG, "AUTO", LONG),
        (LONG, "ON", "a white cat, soft light"),
    ],
)
async def test_language_model_writes_it(services, prompt: str, magic: module.MagicPrompt, painted: str) -> None:
    assert await magic_prompt(services, "red", prompt, magic) == painted


async def test_a_model_that_fails_changes_nothing(services, language_model) -> None:
    language_model.answer = lambda body: Reply(b"", 500)
    assert await magic_prompt(services, "red", "a cat", "ON") == "a cat"


async def test_language_model_hides_no_words_from_the_audit(services, language_model, settings) -> None:
    terms = settings.model_copy(update={"text_audit": "refuse"})
    audited = dataclasses.replace(services, text_audit=TextAudit(terms))
    with pytest.raises(UnsafeTextError):
        await magic_prompt(audited, "red", "porn of a cat", "ON")
    assert language_model.received == []


async def test_language_model_gets_no_masked_words(services, language_model, settings) -> None:
    terms = settings.model_copy(update={"text_audit": "mask"})
    audited = dataclasses.replace(services, text_audit=TextAudit(terms))
    sent = dataclasses.replace(WRITTEN, params={"text": "porn of a cat", "model": "llm"})
    task = (await submit(audited, sent)).task
    assert task.params["text"] == "of a cat"
    assert "porn" not in json.dumps(language_model.received)


@pytest.fixture
def more_models(tmp_path) -> str:
    folder = tmp_path / "writer"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return f"\n  - {{name: writer, path: {folder}, family: enhancer, aliases: [enhancer]}}"


@pytest.mark.parametrize("overrides", [{}])
async def test_else_a_prompt_enhancer_does(services, painter) -> None:
    magic = asyncio.create_task(magic_prompt(services, "red", "a lighthouse", "ON"))
    await painter.answer(await painter.take(), {"prompts": ["a lighthouse at dusk"]})
    assert await magic == "a lighthouse at dusk"


@pytest.mark.parametrize("overrides", [{}])
async def test_a_slow_enhancer_is_not_waited_for(services, monkeypatch) -> None:
    monkeypatch.setattr(module, "LATE_S", 0.05)
    assert await magic_prompt(services, "red", "a lighthouse", "ON") == "a lighthouse"
    assert (await services.queue.overview()).queued == 0


async def test_task_of_the_language_model_has_its_prompts(services) -> None:
    params = {"text": "a cat", "model": "llm", "num_return_sequences": 2}
    task = (await submit(services, Submission(type="txt2txt.prompt_enhance", params=params, tenant="red"))).task
    assert task.params["written"] == ["a white cat, soft light", "a black cat"]
    assert task.models == ()


async def test_task_of_a_language_model_that_fails_is_refused(services, language_model) -> None:
    language_model.answer = lambda body: completion("no")
    with pytest.raises(LLMError):
        await submit(services, WRITTEN)


@pytest.mark.parametrize("overrides", [{}])
async def test_task_of_a_missing_language_model_is_refused(services) -> None:
    with pytest.raises(InvalidParamsError, match="HUA_LLM_URL") as refusal:
        await submit(services, WRITTEN)
    assert refusal.value.field == "model"
