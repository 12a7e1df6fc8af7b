"""/v1/chat/completions and /engine/text: the operator's language model, asked by OpenAI's own client and by HTTP."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator

import openai
import pytest

from server.api.dialects.openai.chat import ChatRequest, begin_stream
from server.llm import LLM, MAX_ANSWER
from server.settings import Settings
from tests.support.chat_server import ChatServer, Reply, completion

MESSAGES = [{"role": "user", "content": "hello"}]
SECRET = [{"role": "user", "content": "say xyzzy"}]


def parts(*texts: str) -> Reply:
    """A streamed completion."""
    common = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m"}
    chunks = [json.dumps({**common, "choices": [{"index": 0, "delta": {"content": text}}]}) for text in texts]
    stream = "".join(f"data: {each}\n\n" for each in (*chunks, "[DONE]"))
    return Reply(stream.encode(), headers={"Content-Type": "text/event-stream"})


@pytest.fixture
async def language_model() -> AsyncIterator[ChatServer]:
    async with ChatServer(lambda body: parts("he", "llo") if body.get("stream") else completion("hello")) as server:
        yield server


@pytest.fixture
async def overrides(language_model) -> dict[str, object]:
    return {"llm_url": language_model.url, "llm_model": "small", "llm_key": "secret"}


async def test_completion(openai, language_model) -> None:
    answer = await openai.chat.completions.create(model="gpt-4o", messages=MESSAGES, max_tokens=9, temperature=0.5)
    assert answer.choices[0].message.content == "hello"
    [request] = language_model.received
    assert request["headers"]["authorization"] == "Bearer secret"
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("small", 9, 0.5)
    assert request["messages"] == MESSAGES


async def test_streamed_completion(openai) -> None:
    stream = await openai.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    assert [part.choices[0].delta.content async for part in stream] == ["he", "llo"]


async def test_the_model_is_left_when_the_client_hangs_up(openai, language_model) -> None:
    begun = parts("he").body.removesuffix(b"data: [DONE]\n\n")
    language_model.answer = lambda body: Reply(begun, headers={"Content-Length": "9999"}, is_open=True)
    stream = await openai.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    assert (await anext(aiter(stream))).choices[0].delta.content == "he"
    assert not language_model.left.is_set()
    await stream.close()
    await language_model.left.wait()


async def test_the_model_is_left_if_the_stream_never_begins(language_model) -> None:
    begun = Reply(parts("he").body, headers={"Content-Length": "9999"}, is_open=True)
    language_model.answer = lambda body: begun
    request = ChatRequest.model_validate({"messages": MESSAGES, "stream": True})
    response = await begin_stream(LLM(Settings(llm_url=language_model.url)), request)

    async def hung_up() -> dict[str, str]:
        return {"type": "http.disconnect"}

    async def fails(message: object) -> None:
        raise OSError

    with contextlib.suppress(Exception):
        await response({"type": "http", "asgi": {"spec_version": "2.4"}}, hung_up, fails)
    await language_model.left.wait()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_that_fails_is_an_error_that_clients_retry(openai, language_model, stream: bool) -> None:
    language_model.answer = lambda body: Reply(b"", 500)
    with pytest.raises(openai_error(503)):
        await openai.chat.completions.create(model="m", messages=MESSAGES, stream=stream)


@pytest.mark.parametrize(
    "answer",
    [
        Reply(b" " * (MAX_ANSWER + 1)),
        Reply(b"[" * 100_000),
        completion("\ud800"),
        Reply(b'{"created": NaN, "choices": [{"message": {"content": "hello"}}]}'),
    ],
    ids=["endless", "deep", "surrogate", "not a number"],
)
async def test_what_is_no_completion_is_an_error(openai, language_model, answer: Reply) -> None:
    language_model.answer = lambda body: answer
    with pytest.raises(openai_error(503)):
        await openai.chat.completions.create(model="m", messages=MESSAGES)


def openai_error(status: int) -> type[openai.APIStatusError]:
    return {400: openai.BadRequestError, 503: openai.InternalServerError}[status]


@pytest.mark.parametrize("overrides", [{}])
async def test_without_a_model_it_is_not_offered(openai, client) -> None:
    with pytest.raises(openai_error(400), match="HUA_LLM_URL"):
        await openai.chat.completions.create(model="m", messages=MESSAGES)
    answer = await client.post("/engine/text", json={"text": "hello"})
    assert answer.status_code == 422
    assert answer.json()["success"] is False


@pytest.mark.parametrize("changes", [{"messages": []}, {"max_tokens": 5000}, {"temperature": 3}])
async def test_wrong_requests_are_refused(openai, language_model, changes) -> None:
    with pytest.raises(openai_error(400)):
        await openai.chat.completions.create(**{"model": "m", "messages": MESSAGES, **changes})
    assert not language_model.received


async def test_engine_text(client, language_model) -> None:
    answer = await client.post("/engine/text", json={"text": "hi"})
    assert answer.json() == {"text": "hello", "success": True, "reason": ""}
    assert language_model.received[0]["messages"] == [{"role": "user", "content": "hi"}]
    both = await client.post("/engine/text", json={"text": "hi", "messages": MESSAGES})
    assert both.status_code == 422


@pytest.fixture
def words(tmp_path) -> str:
    """A folder with one list of words."""
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / "secret.txt").write_text("xyzzy\n")
    return str(folder)


@pytest.fixture
async def audited(language_model, words, overrides) -> None:
    overrides |= {"words": words, "text_audit": "refuse"}


@pytest.mark.parametrize("stream", [False, True])
async def test_words_of_question_and_answer_are_audited(audited, openai, language_model, stream: bool) -> None:
    with pytest.raises(openai_error(400)):
        await openai.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "say xyzzy"}], stream=stream
        )
    assert not language_model.received
    language_model.answer = lambda body: completion("xyzzy")
    with pytest.raises(openai_error(400)):
        await openai.chat.completions.create(model="m", messages=MESSAGES, stream=stream)


@pytest.mark.parametrize("stream", [False, True])
async def test_an_audited_answer_has_only_what_was_judged(audited, openai, language_model, stream: bool) -> None:
    message = {"role": "assistant", "content": "hello", "reasoning_content": "xyzzy"}
    choice = {"index": 0, "message": message, "logprobs": {"content": [{"token": "xyzzy"}]}}
    language_model.answer = lambda body: Reply(json.dumps({"choices": [choice]}).encode())
    answer = await openai.chat.completions.with_raw_response.create(model="m", messages=MESSAGES, stream=stream)
    text = await answer.http_response.aread()
    assert b"hello" in text
    assert b"xyzzy" not in text


async def test_an_audited_answer_is_streamed_in_one_part(audited, openai, language_model) -> None:
    language_model.answer = lambda body: completion("hello")
    stream = await openai.chat.completions.create(model="m", messages=MESSAGES, stream=True)
    assert [part.choices[0].delta.content async for part in stream] == ["hello"]
    assert language_model.received[0]["stream"] is False
