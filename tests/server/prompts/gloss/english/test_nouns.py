"""Plurals and articles."""

import pytest

from server.prompts.gloss.english.nouns import article, is_plural, plural, singular


@pytest.mark.parametrize(
    ("one", "several"),
    [
        ("cat", "cats"),
        ("box", "boxes"),
        ("city", "cities"),
        ("toy", "toys"),
        ("person", "people"),
        ("woman", "women"),
        ("human", "humans"),
        ("house", "houses"),
        ("swordsman", "swordsmen"),
        ("maple leaf", "maple leaves"),
        ("bus", "buses"),
        ("sheep", "sheep"),
        ("sea of flowers", "seas of flowers"),
    ],
)
def test_plural_and_back(one: str, several: str) -> None:
    assert plural(one) == several
    assert plural(several) == several
    assert singular(several) == one


@pytest.mark.parametrize(
    ("words", "is_several"), [("blue eyes", True), ("glass", False), ("people", True), ("lens", False)]
)
def test_is_plural(words: str, is_several: bool) -> None:
    assert is_plural(words) is is_several


@pytest.mark.parametrize(("words", "expected"), [("orange cat", "an"), ("unicorn", "a"), ("house", "a"), ("", "a")])
def test_article(words: str, expected: str) -> None:
    assert article(words) == expected
