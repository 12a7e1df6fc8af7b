import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.audit.masking import without_places


def masked(text: str) -> str:
    """Without what is in capitals."""
    return without_places(text, [word.span() for word in re.finditer("[A-Z]+", text)])


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("a BAD house", "a house"),
        ("BAD house", "house"),
        ("house BAD", "house"),
        ("a, BAD, b", "a, b"),
        ("BAD, b", "b"),
        ("a, BAD", "a"),
        ("a, BAD, BAD, b", "a, b"),
        ("((BAD:1.2))", ""),
        ("a, ((BAD:1.2)), b", "a, b"),
        ("((a BAD:1.2)), b", "((a:1.2)), b"),
        ("((BAD a:1.2)), b", "((a:1.2)), b"),
        ("((BAD, a:1.2)), b", "((a:1.2)), b"),
        ("((a, BAD:1.2)), b", "((a:1.2)), b"),
        ("[BAD], {BAD}, c", "c"),
        ("{BAD|cat}", "{|cat}"),
        ("[BAD:cat:0.5]", "[:cat:0.5]"),
        ("a <lora:BAD:0.8> b", "a b"),
        (r"a \(BAD\), b", r"a \(\), b"),
        ("一张BAD的照片", "一张的照片"),
        ("杰作，BAD，高清", "杰作，高清"),
        ("a\nBAD\nb", "a\n\nb"),
        ("a BREAK BAD BREAK b".replace("BREAK", "break"), "a break break b"),
        ("BAD", ""),
        ("nothing", "nothing"),
    ],
)
def test_what_is_left_is_a_prompt(text: str, left: str) -> None:
    assert masked(text) == left


def test_brackets_that_a_word_cuts_stay_balanced() -> None:
    assert without_places("a po(rn:1.2) b", [(2, 7)]) == "a b"
    assert without_places("a po(rn c:1.2) b", [(2, 7)]) == "a (c:1.2) b"
    assert without_places("(p)(o) x", [(1, 5)]) == "x"


def test_a_tag_is_taken_out_whole() -> None:
    assert without_places("<lora:porn:1>, a", [(6, 10)]) == "a"


def test_places_that_overlap_are_one() -> None:
    assert without_places("a bad word b", [(2, 5), (4, 10), (2, 10)]) == "a b"


PIECES = st.lists(
    st.sampled_from(["(", ")", "[", "]", ":1.2)", "BAD", "a", ", ", " ", "|", "{", "}", "\\", "\n"]), max_size=30
)


@given(PIECES)
def test_brackets_are_balanced_as_before(pieces: list[str]) -> None:
    text = "".join(pieces)
    places = [(index, index + 3) for index in range(len(text)) if text.startswith("BAD", index)]
    left = without_places(text, places)
    assert "BAD" not in left
    for opening, closing in ("()", "[]", "{}"):
        assert left.count(opening) - left.count(closing) == text.count(opening) - text.count(closing)


@given(st.text(max_size=40), st.lists(st.tuples(st.integers(0, 39), st.integers(1, 8)), max_size=4))
def test_any_text_can_be_masked(text: str, spans: list[tuple[int, int]]) -> None:
    places = [(start, min(start + length, len(text))) for start, length in spans if start < len(text)]
    assert len(without_places(text, places)) <= len(text)


@pytest.mark.parametrize("gap", [" ", ", ", "\t", "(", "( ", ": "])
def test_long_runs_are_read_once(gap: str) -> None:
    """A search that tries each blank of a run again takes hours for this."""
    assert masked(f"BAD x{gap * 20_000}x").endswith("x")
