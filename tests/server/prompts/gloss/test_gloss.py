"""The dictionary engine: sentences of prompts come out as English that CLIP can use."""

import re
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.toy.world import caption_of, chinese_caption_of, scene_of
from server.prompts.gloss import Gloss
from tests.support.docs import ROOT

CAPTIONS = 2_000
TABLE = re.compile(r"^\| ([^|]*[\u4e00-\u9fff][^|]*) \| ([^|]+) \|", re.MULTILINE)
ROWS = TABLE.findall((ROOT / "docs" / "chinese-prompts.md").read_text("utf-8"))


def words_of(text: str) -> list[str]:
    return [word for word in re.findall(r"\w+", text) if word not in ("a", "an", "the", "and")]


def translate(gloss: Gloss, prompt: str) -> str:
    return ", ".join(gloss.translate(prompt.split("，")))


@pytest.mark.parametrize("with_dictionary", [True, False])
def test_chinese_captions_of_the_toy_world_become_its_english_ones(
    gloss: Gloss, lexicon_alone: Gloss, with_dictionary: bool
) -> None:
    engine = gloss if with_dictionary else lexicon_alone
    for seed in range(CAPTIONS if with_dictionary else CAPTIONS // 10):
        scene = scene_of(Random(seed))
        assert words_of(translate(engine, chinese_caption_of(scene))) == words_of(caption_of(scene))


@pytest.mark.parametrize(("prompt", "expected"), ROWS, ids=[prompt[:12] for prompt, _ in ROWS])
def test_the_prompts_of_the_documentation(gloss: Gloss, prompt: str, expected: str) -> None:
    assert translate(gloss, prompt) == expected


def test_the_documentation_has_a_table() -> None:
    assert len(ROWS) >= 48


@pytest.mark.parametrize(
    ("prompt", "english"),
    [
        ("草地上的紅房子", "red house on the grass"),
        ("穿著紅色連衣裙的女孩站在海邊", "girl wearing a red dress standing by the sea"),
        ("夜裡海邊的一隻白貓", "a white cat at night by the sea"),
        ("桌子上放著一本書", "a book placed on the table"),
        ("湖邊的楓樹", "maple tree by the lake"),
    ],
)
def test_traditional_spellings_need_no_dictionary(
    gloss: Gloss, lexicon_alone: Gloss, prompt: str, english: str
) -> None:
    assert gloss.translate([prompt]) == lexicon_alone.translate([prompt]) == [english]


@pytest.mark.parametrize(
    ("prompt", "english"),
    [
        ("Kilian Eng 和 Jake Parker的艺术品", "art by Kilian Eng and Jake Parker"),
        ("徕卡50mm定焦镜头", "Leica 50mm prime lens"),
        ("1个女孩", "a girl"),
        ("20岁的女孩", "20-year-old girl"),
        ("三十六只鸽子", "36 doves"),
        ("梵高的画", "painting by Van Gogh"),
    ],
)
def test_names_and_numbers(gloss: Gloss, prompt: str, english: str) -> None:
    assert gloss.translate([prompt]) == [english]


def test_a_clause_without_a_known_word_comes_back(lexicon_alone: Gloss) -> None:
    assert lexicon_alone.translate(["龘", "cat", ""]) == ["龘", "cat", ""]


def test_the_dictionary_knows_what_the_lexicon_does_not(gloss: Gloss, lexicon_alone: Gloss) -> None:
    assert gloss.translate(["红色的听诊器"]) == ["red stethoscope"]
    assert lexicon_alone.translate(["红色的听诊器"]) == ["red"]


LETTERS = st.text(st.sampled_from("的在上着一只红猫有没把被和，、 a1(龘𠀀é🙂が\n") | st.characters(), max_size=60)


@settings(deadline=None)
@given(LETTERS)
def test_any_text_becomes_one_clause(gloss: Gloss, text: str) -> None:
    first, second = gloss.translate([text, text])
    assert first == second


def test_a_clause_of_many_words(gloss: Gloss) -> None:
    assert gloss.translate(["红" * 2_000])[0].startswith("red red")
