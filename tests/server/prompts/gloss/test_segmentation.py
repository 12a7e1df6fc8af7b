"""Where the words of a clause begin and end."""

import pytest

from server.prompts.gloss.segmentation import segment
from server.prompts.gloss.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def vocabulary() -> Vocabulary:
    return Vocabulary.load()


@pytest.mark.parametrize(
    ("clause", "words"),
    [
        ("草地上的红房子", ["草地", "上", "的", "红", "房子"]),
        ("大红色房子", ["大", "红色", "房子"]),
        ("白色T恤", ["白色", "T恤"]),
        ("Victo Ngai、Kilian Eng 和猫", ["Victo Ngai", "、", "Kilian Eng", "和", "猫"]),
        ("徕卡50mm镜头", ["徕卡", "50mm", "镜头"]),
        ("2只猫", ["2", "只", "猫"]),
        ("高中女生", ["高中女生"]),
        ("一条龙", ["一", "条", "龙"]),
        ("草地上一个人", ["草地", "上", "一", "个", "人"]),
        ("火车站台上", ["火车", "站台", "上"]),
        ("", []),
        (" 🙂 ", ["🙂"]),
    ],
)
def test_words(vocabulary: Vocabulary, clause: str, words: list[str]) -> None:
    assert [word.text for word in segment(clause, vocabulary)] == words
