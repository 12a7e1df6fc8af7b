"""Prompts that the language model writes: data, whatever it answers."""

from __future__ import annotations

import json

import pytest

from server.llm import LLM, LLMError
from server.prompts.writer import MOST_WORDS, write_prompts
from server.settings import Settings
from tests.support.chat_server import ChatServer, completion


async def written(idea: str, answer: str, count: int = 1) -> list[str]:
    async with ChatServer(lambda body: completion(answer)) as server:
        prompts = await write_prompts(LLM(Settings(llm_url=server.url)), idea, count)
    assert idea in json.loads(server.received[0]["messages"][1]["content"])["idea"]
    assert idea not in server.received[0]["messages"][0]["content"]
    return prompts


@pytest.mark.parametrize(
    ("idea", "answer", "prompt"),
    [
        ("a cat", '{"prompts": ["a white cat, soft light."]}', "a white cat, soft light"),
        ("一只猫", 'Sure!\n```json\n{"prompts": ["a cat\\nat night"]}\n```', "a cat at night"),
        ("a cat", '{"prompts": ["a cat <lora:evil:2>"]}', "a cat"),
        ("a cat", '{"prompts": ["a (cat:99) BREAK {fat|thin} [old] __breed__"]}', "a cat:99 break fat thin old breed"),
        ("a (fat cat:1.2)", '{"prompts": ["a (fat cat:1.2), soft"]}', "a (fat cat:1.2), soft"),
        ("a cat", '{"prompts": ["a cat \\ud800"]}', "a cat"),
        ("a cat <lora:ink:1>", '{"prompts": ["a cat"]}', "a cat, <lora:ink:1>"),
        ('a shop sign "OPEN"', '{"prompts": ["a shop at night"]}', 'a shop at night, "OPEN"'),
        ("a cat", json.dumps({"prompts": ["word " * 500]}), " ".join(["word"] * MOST_WORDS)),
    ],
)
async def test_answer_is_cleaned(idea: str, answer: str, prompt: str) -> None:
    assert await written(idea, answer) == [prompt]


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "a cat",
        "{",
        '{"prompts": "a"}',
        '{"prompts": []}',
        '{"prompts": [1, "…"]}',
        "[" * 9999,
        "{" * 500_000,
        '{"a":' * 99_999 + "}",
    ],
)
async def test_other_answers_are_errors(answer: str) -> None:
    with pytest.raises(LLMError):
        await written("a cat", answer)


async def test_as_many_prompts_as_are_asked_for() -> None:
    answer = json.dumps({"prompts": ["a", "b", "c"]})
    assert await written("a cat", answer, 2) == ["a", "b"]
    with pytest.raises(LLMError):
        await written("a cat", answer, 4)


async def test_quotes_that_never_close_are_read_once() -> None:
    assert (await written("“" * 200_000, '{"prompts": ["a cat"]}')) == ["a cat"]
