from collections.abc import Callable
from typing import Any

import pytest

from server.llm import LLM, MAX_ANSWER, LLMError
from server.settings import Settings
from tests.support.chat_server import ChatServer, Reply, completion

KEY = "sk-not-for-logs"
MESSAGES = [{"role": "user", "content": "秘密"}]


def model_at(server: ChatServer, **changes: Any) -> LLM:
    settings = Settings(llm_url=server.url, llm_key=KEY, llm_model="small")
    return LLM(settings.model_copy(update=changes))


async def test_question_and_answer() -> None:
    async with ChatServer(lambda body: completion("a house")) as server:
        assert await model_at(server).chat(MESSAGES, max_tokens=9) == "a house"
    [request] = server.received
    assert request.pop("headers")["authorization"] == f"Bearer {KEY}"
    assert request == {
        "path": "/v1/chat/completions",
        "model": "small",
        "messages": MESSAGES,
        "temperature": 0.0,
        "max_tokens": 9,
    }


async def test_busy_endpoint_is_asked_once_more() -> None:
    replies = iter([Reply(b"", 429, {"Retry-After": "0"}), completion("a house")])
    async with ChatServer(lambda body: next(replies)) as server:
        assert await model_at(server).chat(MESSAGES) == "a house"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda body: Reply(b"", 429, {"Retry-After": "0"}), "status 429"),
        (lambda body: Reply(b"", 429, {"Retry-After": "60"}), "status 429"),
        (lambda body: Reply(b"", 500), "status 500"),
        (lambda body: Reply(b"", 302, {"Location": "http://127.0.0.1:1/"}), "status 302"),
        (lambda body: Reply(b"<html>"), "no chat completion"),
        (lambda body: Reply(b"[]"), "no chat completion"),
        (lambda body: completion(None), "has no text"),
        (lambda body: completion(["a house"]), "no chat completion"),
        (lambda body: Reply(b'{"choices": []}'), "no chat completion"),
        (lambda body: Reply(b"[" * 100_000), "no chat completion"),
        (lambda body: Reply(b" " * (MAX_ANSWER + 1)), "too long"),
    ],
    ids=["busy", "long busy", "broken", "redirect", "page", "list", "no text", "parts", "no choice", "deep", "endless"],
)
async def test_other_answers_are_errors_without_key_and_prompt(
    answer: Callable[[Any], Reply | None], message: str
) -> None:
    async with ChatServer(answer) as server:
        with pytest.raises(LLMError, match=message) as caught:
            await model_at(server).chat(MESSAGES)
    assert KEY not in str(caught.value)
    assert "秘密" not in str(caught.value)


async def test_endpoint_that_hangs_is_an_error() -> None:
    async with ChatServer(lambda body: None) as server:
        with pytest.raises(LLMError, match=r"longer than 0\.05 seconds"):
            await model_at(server, llm_timeout_s=0.05).chat(MESSAGES)


async def test_endpoint_that_is_away_is_an_error() -> None:
    async with ChatServer(lambda body: None) as server:
        model = model_at(server)
    with pytest.raises(LLMError, match="cannot be reached"):
        await model.chat(MESSAGES)


def test_without_address_nothing_is_offered() -> None:
    assert not LLM(Settings()).offered
