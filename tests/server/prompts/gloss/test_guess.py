"""Parts of speech of words that only the dictionary knows."""

import pytest

from server.prompts.gloss.guess import guess


@pytest.mark.parametrize(
    ("word", "gloss", "category"),
    [
        ("驾驭", "to drive", "V"),
        ("家门口", "at the door", "L"),
        ("绯色", "scarlet", "A"),
        ("葱茏", "verdant", "A"),
        ("辉煌", "glorious", "A"),
        ("大象", "elephant", "N"),
        ("驯兽师", "animal trainer", "P"),
        ("拖拉机", "tractor", "N"),
    ],
)
def test_category(word: str, gloss: str, category: str) -> None:
    assert guess(word, gloss).readings[0].category == category


def test_names_have_no_article() -> None:
    assert guess("佛罗伦萨", "Florence").readings[0].phrase.definite == "Florence"
