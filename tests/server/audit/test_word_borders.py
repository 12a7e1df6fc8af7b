import pytest

from server.audit.folding import Folding
from server.audit.matching import Matcher
from server.audit.word_list import Rule

WORDS = ("porn", "nude", "sm", "c", "色情", "18禁", "pornography", "黄色小说")
MATCHER = Matcher([Rule("list", "list", (word,)) for word in WORDS], Folding({}))


@pytest.mark.parametrize(
    "text",
    [
        "popcorn",
        "pornichet",
        "corn, or nothing",
        "soap or nuts",
        "po rn",
        "denuded",
        "nu de",
        "红色，情侣",
        "红色 情人节",
        "small, s m l xl",
        "a 5m tall statue",
        "2018禁书",
        "455",
        "cat",
        "1girl, 8k, 50mm",
        "",
    ],
)
def test_letters_that_only_follow_each_other_are_no_word(text: str) -> None:
    assert not MATCHER.find(text)


@pytest.mark.parametrize(
    "text",
    [
        "porn",
        "4porn4",
        "porn图片",
        "a porn-film",
        "p o r n",
        "por nography",
        "红色情侣",
        "色 情",
        "黄色 小说的封面",
        "c",
    ],
)
def test_word_of_its_own_is_found(text: str) -> None:
    assert MATCHER.find(text)
