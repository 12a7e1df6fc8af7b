"""Adverbs and comparatives."""

import pytest

from server.prompts.gloss.english.adjectives import adverb, comparative


@pytest.mark.parametrize(
    ("adjective", "expected"), [("happy", "happily"), ("gentle", "gently"), ("quiet", "quietly"), ("epic", "epically")]
)
def test_adverb(adjective: str, expected: str) -> None:
    assert adverb(adjective) == expected


@pytest.mark.parametrize(
    ("adjective", "expected"),
    [("big", "bigger"), ("happy", "happier"), ("large", "larger"), ("beautiful", "more beautiful")],
)
def test_comparative(adjective: str, expected: str) -> None:
    assert comparative(adjective) == expected
