import pytest

from server.prompts.guards import clean, is_babble, without_capital


@pytest.mark.parametrize(
    ("words", "cleaned"),
    [
        ("A red house.", "A red house"),
        ("red <lora:evil:1> house", "red lora evil 1 house"),
        ("(red:1.9) [house] {a|b} \\( $$", "red 1.9 house a b"),
        ("red BREAK house AND boat", "red break house and boat"),
        ("__wildcard__ big_house", "wildcard big_house"),
        ("red\nhouse\x00\u200b\u202e", "red house"),
        ('"red" “house”', "red house"),
    ],
)
def test_nothing_acts_as_syntax(words: str, cleaned: str) -> None:
    assert clean(words) == cleaned


@pytest.mark.parametrize(
    ("clause", "words", "babble"),
    [
        ("红房子", "red house", False),
        ("红房子", "", True),
        ("红房子", "123", True),
        ("红房子", "红 house", True),
        ("红房子", "house " * 3, False),
        ("红房子", "house " * 4, True),
        ("红房子", "House house HOUSE house", True),
        ("红房子", "a" * 32, False),
        ("红房子", "a" * 33, True),
    ],
)
def test_babble_is_recognised(clause: str, words: str, babble: bool) -> None:
    assert is_babble(clause, words.strip()) == babble


@pytest.mark.parametrize(
    ("clause", "words", "kept"),
    [
        ("红房子", "Red house", "red house"),
        ("红房子", "UHD house", "UHD house"),
        ("Kilian Eng的画", "Kilian Eng painting", "Kilian Eng painting"),
        ("红", "A", "a"),
        ("红", "", ""),
    ],
)
def test_capitals_of_sentences_are_taken_away(clause: str, words: str, kept: str) -> None:
    assert without_capital(clause, words) == kept
