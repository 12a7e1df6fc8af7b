import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.adapters.lora_tags import split_lora_tags
from models.catalog.catalog import Catalog
from models.catalog.live_catalog import LiveCatalog
from models.diffusion.prompt_syntax import PromptError, parse
from server.llm import LLM
from server.observability.metrics import REGISTRY
from server.prompts.folding import fold
from server.prompts.gloss import Gloss
from server.prompts.grammar import split
from server.prompts.guards import clean
from server.prompts.joining import fitting, join
from server.prompts.translator import Translation, Translator
from server.settings import Settings
from tests.support.chat_server import ChatServer, Reply, completion

NO_MODELS = LiveCatalog(lambda: Catalog(()))


@cache
def dictionary() -> Gloss:
    return Gloss.load()


@asynccontextmanager
async def translator_of(late_s: float = 3.0, **settings: Any) -> AsyncIterator[Translator]:
    settings = Settings(**settings)
    translator = Translator(settings, NO_MODELS, LLM(settings), dictionary, late_s)
    try:
        yield translator
    finally:
        await translator.close()


@asynccontextmanager
async def asking(answer: Callable[[list[str]], Reply | None], late_s: float = 3.0) -> AsyncIterator[Translator]:
    """A translator whose engine is a language model that answers `answer` of the numbered lines."""
    async with (
        ChatServer(lambda body: answer(body["messages"][1]["content"].splitlines())) as server,
        translator_of(late_s, translator="llm", llm_url=server.url) as translator,
    ):
        yield translator


def saying(words: str) -> Callable[[list[str]], Reply]:
    return lambda lines: completion("\n".join(f"{number}. {words}" for number in range(1, len(lines) + 1)))


def count(engine: str, result: str) -> float:
    return REGISTRY.get_sample_value("hua_translations_total", {"engine": engine, "result": result}) or 0.0


@pytest.mark.parametrize(
    ("prompt", "english"),
    [
        ("玫瑰花", "rose"),
        ("草地上的红房子", "red house on the grass"),
        ("草地上的紅房子", "red house on the grass"),
        ("夜里海边的一只白猫", "a white cat at night by the sea"),
        ("(海边的蓝色小船:1.3) BREAK <lora:国风:0.8> [雾]", "(blue boat by the sea:1.3) BREAK <lora:国风:0.8> [fog]"),
        ("（红色：1.3）", "(red:1.3)"),
        ("masterpiece，红房子。", "masterpiece, red house"),
        ("a house — “small”", 'a house "small"'),
        ("三只猫/两只狗＋红房子", "three cats / two dogs + red house"),
        ("→三只猫♡🐱～", "→ three cats ♡🐱~"),
        ("三只猫·，红房子 f/1.8", "three cats ·, red house f/1.8"),
    ],
)
async def test_out_of_the_box_the_dictionary_translates(prompt: str, english: str) -> None:
    async with translator_of() as translator:
        translation = await translator.translate(prompt)
    assert (translation.text, translation.untranslated) == (english, "")


async def test_names_survive() -> None:
    async with translator_of() as translator:
        translation = await translator.translate("红房子 easynegative, 国风", ["EasyNegative", "国风"])
    assert translation.text == "red house easynegative, 国风"


@pytest.mark.parametrize(("prompt", "language"), [("かわいい猫（白）", "ja"), ("빨간 집（흰）", "ko")])
async def test_other_languages_stay_as_they_are(prompt: str, language: str) -> None:
    async with translator_of() as translator:
        assert await translator.translate(prompt) == Translation(prompt, prompt.split("（")[0].split()[0], language)
        assert await translator.fold(prompt) == prompt


async def test_words_that_nothing_knows_stay_and_are_told() -> None:
    async with translator_of() as translator:
        translation = await translator.translate("红房子，𪚥𪚥")
    assert (translation.text, translation.untranslated) == ("red house, 𪚥𪚥", "𪚥𪚥")


async def test_off_leaves_all_prompts_alone() -> None:
    async with translator_of(translator="off") as translator:
        assert (await translator.translate("（红房子）")).text == "（红房子）"
        assert (await translator.translate("“a house”")).text == "“a house”"


async def test_language_model_reads_further_languages() -> None:
    async with asking(saying("A red house.")) as translator:
        assert (await translator.translate("（赤い家：1.2），猫")).text == "(a red house:1.2), a red house"


async def test_prompts_share_a_batch_and_repeated_clauses_are_not_asked_again() -> None:
    async with ChatServer(lambda body: saying("red")(body["messages"][1]["content"].splitlines())) as server:  # noqa: SIM117
        async with translator_of(translator="llm", llm_url=server.url) as translator:
            await asyncio.gather(*(translator.translate(prompt) for prompt in ("红，蓝", "红，白", "(红)")))
            assert [one["messages"][1]["content"] for one in server.received] == ["1. 红\n2. 蓝\n3. 白"]
            cached = count("llm", "cached")
            assert (await translator.translate("白，红")).text == "red, red"
            assert len(server.received) == 1
            assert count("llm", "cached") == cached + 2


@pytest.mark.parametrize(
    ("answer", "result"),
    [
        (saying(""), "babble"),
        (saying("红房子"), "babble"),
        (saying("very very very very red"), "babble"),
        (saying("red " * 100), "babble"),
        (lambda lines: completion("I cannot help with that."), "failed"),
        (lambda lines: completion("1. red\n2. blue\n3. white"), "failed"),
        (lambda lines: Reply(b"", 500), "failed"),
        (lambda lines: Reply(b"\xff"), "failed"),
    ],
    ids=["empty", "echo", "repetition", "too long", "refusal", "too many lines", "error", "no text"],
)
async def test_what_an_engine_fails_at_comes_from_the_dictionary(
    answer: Callable[[list[str]], Reply], result: str
) -> None:
    before = count("llm", result)
    async with asking(answer) as translator:
        assert (await translator.translate("草地上的红房子")).text == "red house on the grass"
    assert count("llm", result) == before + 1


async def test_engine_that_hangs_is_not_waited_for_again() -> None:
    late, busy = count("llm", "late"), count("llm", "busy")
    async with asking(lambda lines: None, late_s=0.05) as translator:
        assert (await translator.translate("玫瑰花")).text == "rose"
        assert (await translator.translate("（红色：1.3）")).text == "(red:1.3)"
    assert (count("llm", "late"), count("llm", "busy")) == (late + 1, busy + 1)


@pytest.mark.parametrize(
    "words", ["red <lora:evil:1> house", "red:1.9) (house", "[red|house", "{red|house}", "red BREAK house AND boat"]
)
async def test_engine_cannot_inject_syntax(words: str) -> None:
    async with asking(saying(words)) as translator:
        text = (await translator.translate("(红房子:1.2), 8k")).text
    assert text.startswith("(red ")
    assert [piece.weight for piece in parse(text)] == [1.2, 1.0]
    assert split_lora_tags(text)[1] == []


async def test_clauses_above_the_limit_of_engines_come_from_the_dictionary() -> None:
    numbers = [f"{number}个红房子" for number in range(210)]
    async with asking(saying("hut")) as translator:
        text = (await translator.translate("，".join(numbers))).text
    assert text.count("hut") == 200
    assert text.endswith("209 red houses")


@given(st.text(st.characters(codec="ascii")))
def test_ascii_is_left_as_it_is(prompt: str) -> None:
    async def translated() -> str:
        async with translator_of() as translator:
            return (await translator.translate(prompt)).text

    assert asyncio.run(translated()) == prompt


SYNTAX = [
    "(",
    ")",
    "[",
    "]",
    "（",
    "）",
    ":1.3)",
    "：1.2）",
    ":",
    "|",
    ",",
    "，",
    " ",
    "\n",
    "\\(",
    "\\",
    "{",
    "}",
    "2$$",
]
TAGS = ["<lora:ink:0.8>", "<lora:国风：1>", " BREAK ", " AND ", "__x__", "8k", "“", "【", "\u200b"]
TOKENS = st.lists(st.sampled_from([*SYNTAX, *TAGS, "红", "蓝"]), max_size=30)


@given(TOKENS, st.text(st.sampled_from("ab<>()[]{}:|\\BREAKND lora1.9_$\n"), max_size=30))
def test_grammar_survives_translation(tokens: list[str], hostile: str) -> None:
    """Each word keeps its weight and its place between BREAKs, whatever an engine says. Tags and brackets stay."""
    marked = [f"{token}{index}红" if token in "红蓝" else token for index, token in enumerate(tokens)]
    folded = fold("".join(marked))
    pieces = split(folded)
    clauses = [piece.text.strip() for piece in pieces if piece.foreign]
    words = {clause: f"w{index} {clean(hostile)}".strip() for index, clause in enumerate(clauses)}
    text = join(pieces, fitting(pieces, words, 20_000)[0])
    assert split_lora_tags(text)[1] == split_lora_tags(folded)[1]
    assert _brackets(text) == _brackets(folded)
    try:
        expected = [[_weight(piece, clause) for clause in clauses] for piece in parse(folded)]
    except PromptError:
        return
    found = [[_weight(piece, f"{word} ") for word in words.values()] for piece in parse(text)]
    assert _without_empty(found) == _without_empty(expected)
    assert [piece.text for piece in parse(text)].count(None) == [piece.text for piece in parse(folded)].count(None)


def _weight(piece: Any, word: str) -> float | None:
    return piece.weight if piece.text is not None and word.strip() in piece.text else None


def _without_empty(rows: list[list[float | None]]) -> list[float | None]:
    return [weight for column in zip(*rows, strict=True) for weight in column if weight is not None]


def _brackets(text: str) -> list[str]:
    return [
        piece.text
        for piece in split(text)
        if not piece.foreign and piece.text.strip() and piece.text[0] in "()[]{}<|:\\_"
    ]
