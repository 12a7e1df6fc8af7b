"""Traditional to Simplified."""

import pytest

from server.prompts.gloss.traditional import Simplifier


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [
        ("紅色的連衣裙", "红色的连衣裙"),
        ("穿著和服", "穿着和服"),
        ("著名的畫家", "著名的画家"),
        ("頭髮", "头发"),
        ("麵包", "面包"),
        ("裡面", "里面"),
        ("red", "red"),
    ],
)
def test_characters_of_the_lexicon(traditional: str, simplified: str) -> None:
    assert Simplifier({}).simplify(traditional) == simplified


def test_a_dictionary_adds_characters() -> None:
    assert Simplifier({"鱷": "鳄"}).simplify("鱷魚") == "鳄鱼"
