"""-ing forms and participles."""

import pytest

from server.prompts.gloss.english.verbs import gerund, participle


@pytest.mark.parametrize(
    ("verb", "expected"),
    [
        ("ride", "riding"),
        ("run", "running"),
        ("see", "seeing"),
        ("lie", "lying"),
        ("open", "opening"),
        ("look at", "looking at"),
        ("emit", "emitting"),
        ("gently touch", "gently touching"),
        ("fly a kite", "flying a kite"),
    ],
)
def test_gerund(verb: str, expected: str) -> None:
    assert gerund(verb) == expected


@pytest.mark.parametrize(
    ("verb", "expected"),
    [("cover", "covered"), ("make", "made"), ("carry", "carried"), ("hug", "hugged"), ("cut up", "cut up")],
)
def test_participle(verb: str, expected: str) -> None:
    assert participle(verb) == expected
