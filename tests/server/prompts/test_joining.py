import pytest

from server.prompts.folding import fold
from server.prompts.grammar import split
from server.prompts.joining import fitting, join

WORDS = {
    "红": "red",
    "红房子": "red house",
    "房子": "house",
    "船": "boat",
    "雾": "fog",
    "在草地上": "on the grass",
    "大": "big",
    "的": "",
    "Kilian Eng 和 Jake Parker的艺术品": "art by Kilian Eng and Jake Parker",
}


def translated(prompt: str, limit: int = 1000) -> tuple[str, int]:
    pieces = split(prompt)
    words, left_out = fitting(pieces, WORDS, limit)
    return join(pieces, words), left_out


@pytest.mark.parametrize(
    ("prompt", "joined"),
    [
        ("红房子", "red house"),
        ("  红房子  ", "red house"),
        ("红,船", "red, boat"),
        ("红房子 ，8k", "red house, 8k"),
        ("masterpiece,best  quality,红房子,(船:1.2),8k", "masterpiece,best  quality, red house, (boat:1.2),8k"),
        ("(红房子:1.3)船", "(red house:1.3) boat"),
        ("红[房子:船:0.5]", "red [house:boat:0.5]"),
        ("{红|船}房子", "{red|boat} house"),
        ("__x__在草地上", "__x__ on the grass"),
        (r"红房子\(大\)船", r"red house \(big\) boat"),
        ("红房子<lora:x:1>", "red house <lora:x:1>"),
        ('"红房子"船', '"red house"boat'),
        ("红房子\n船，\n雾", "red house\nboat,\nfog"),
        ("红，的，船", "red, boat"),
        ("的，船", "boat"),
        ("(红)的(船)", "(red) (boat)"),
        ("红; 船! 雾", "red; boat! fog"),
        ("Victo Ngai、Kilian Eng 和 Jake Parker的艺术品", "Victo Ngai, art by Kilian Eng and Jake Parker"),
        ("红房子, 未知", "red house, 未知"),
    ],
)
def test_translated_words_stand_as_one_would_write_them(prompt: str, joined: str) -> None:
    assert translated(fold(prompt)) == (joined, 0)


def test_words_without_room_are_left_out() -> None:
    assert translated("红房子,(船),雾", 20) == ("red house, (),", 2)
    assert translated("红房子,8k,未知", 10) == ("8k,未知", 1)
    text, left_out = translated("红房子," * 100, 500)
    assert len(text) <= 500
    assert left_out == 100 - text.count("red house")
