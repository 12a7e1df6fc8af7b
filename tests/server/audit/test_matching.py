import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.audit.folding import Folding
from server.audit.matching import Match, Matcher
from server.audit.word_list import Rule

FOLDING = Folding({"體": "体"})


def matcher(*words: str) -> Matcher:
    return Matcher([Rule("list", "list", tuple(word.split("+"))) for word in words], FOLDING)


MATCHER = matcher("porn", "nude", "色情", "裸体", "blow job", "黄色小说", "18禁", "sm", "🍆", "child+naked")


def found(text: str, among: Matcher = MATCHER) -> list[str]:
    return [text[start:end] for match in among.find(text) for start, end in match.places]


@pytest.mark.parametrize(
    "text",
    [
        "porn",
        "PORN!",
        "a porn-film",
        "porn图片",
        "4porn4",
        "p.o.r.n",
        "p o r n",
        "p. o. r. n",
        "p-o*r_n",
        "(p:1.2)(o:1.3)(r:.5)(n:1)",
        "p\u200born",
        "ｐｏｒｎ",
        "роrn",
        "p0rn",
        "p@rn",
        "p*rn",
        "p**n",
        "pooooorn",
        "p0000rn",
        "[p]orn",
        "po[]rn",
        "(po:1.0)rn",
        "((po))(rn:1)",
        "po<lora:ink:0>rn",
        "色<LoRA:ink:0>情",
        "nud3",
        "一张色情图",
        "色*情",
        "色 情",
        "色，情",
        "色✨情",
        "色x情",
        "裸體",
        "blowjob",
        "blow-job",
        "blo wjob",
        "黄色 小说的封面",
        "18禁",
        "a 🍆 on a plate",
        "<lora:porn_style:0.8>",
        "sm",
    ],
)
def test_disguised_word_is_found(text: str) -> None:
    assert found(text)


@pytest.mark.parametrize("text", ["po rn", "(po) rn", "po, <lora:ink:1>, rn", "po <lora:ink:1> rn", "po|rn"])
def test_parts_apart_are_no_word(text: str) -> None:
    assert found(text) == []


def test_number_is_no_word_in_disguise() -> None:
    assert found("a 455 engine", matcher("ass")) == []
    assert found("a5s", matcher("ass")) == ["a5s"]


def test_pair_needs_both_words_anywhere() -> None:
    (match,) = MATCHER.find("a naked man and a CHILD")
    assert match.rule.words == ("child", "naked")
    assert match.places == ((2, 7), (18, 23))


def test_places_are_those_of_the_text_as_written() -> None:
    assert found("see p.o\u200b.r.n, and ＮＵＤＥ") == ["p.o\u200b.r.n", "ＮＵＤＥ"]


def test_places_inside_others_are_left_out() -> None:
    match = Match(Rule("a", "a", ("b",)), ((2, 5), (7, 9)))
    assert match.outside([(1, 6)]).places == ((7, 9),)
    assert match.outside([(3, 9)]).places == ((2, 5),)


def test_part_of_a_ligature_is_no_word() -> None:
    assert found("ﬁnd", matcher("ind")) == []


@given(st.text(st.characters(), max_size=60))
def test_any_text_can_be_searched(text: str) -> None:
    for match in MATCHER.find(text):
        assert all(0 <= start < end <= len(text) for start, end in match.places)


@given(st.text(min_size=1, max_size=12))
def test_any_word_can_be_listed(word: str) -> None:
    Matcher([Rule("a", "a", (word,))], FOLDING).find(f"a {word} b")


@given(st.text("porn色情 .,()*0оо:1", max_size=40))
def test_word_is_found_behind_any_text(text: str) -> None:
    assert any(place.endswith("porn") for place in found(f"{text}; porn"))
