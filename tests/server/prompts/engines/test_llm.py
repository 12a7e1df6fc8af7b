"""Translations by the language model, whatever it answers."""

from __future__ import annotations

import pytest

from server.llm import LLM
from server.prompts.engines.engine import EngineError
from server.prompts.engines.llm import LLMEngine
from server.settings import Settings
from tests.support.chat_server import ChatServer, completion


async def translated(answer: str) -> list[str]:
    async with ChatServer(lambda body: completion(answer)) as server:
        return await LLMEngine(LLM(Settings(llm_url=server.url))).translate(["红房子", "雾"])


@pytest.mark.parametrize(
    "answer",
    ["1. red house\n2. fog", " 1) red house \n\n2、fog\n", "<think>1. 2. 3.</think>1. red house\n2: fog"],
)
async def test_numbered_lines(answer: str) -> None:
    assert await translated(answer) == ["red house", "fog"]


@pytest.mark.parametrize("answer", ["", "red house\nfog", "1. red house", "2. fog\n1. red house", "9" * 9_999])
async def test_other_lines_are_errors(answer: str) -> None:
    with pytest.raises(EngineError):
        await translated(answer)


async def test_long_runs_are_read_once() -> None:
    """A search that tries each blank of a run again takes minutes for this."""
    assert (await translated(f"1. red{' ' * 200_000}house\n2. fog"))[1] == "fog"
