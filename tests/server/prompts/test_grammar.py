import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.prompts.grammar import Piece, foreign_words, language_of, split


def words_of(prompt: str, *names: str) -> list[str]:
    """The words of a prompt that are to be translated."""
    return [piece.text.strip() for piece in split(prompt, names) if piece.foreign]


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("(海边:1.3) BREAK <lora:国风:0.8> [雾]", ["海边", "雾"]),
        ("[红:蓝:0.5][红|蓝]", ["红", "蓝", "红", "蓝"]),
        ("红 AND 蓝:1.2", ["红", "蓝"]),
        (r"红\(大\)", ["红", "大"]),
        ("{2$$红|3::蓝}", ["红", "蓝"]),
        ("{2$$ .5::红|蓝}", ["红", "蓝"]),
        ("红2::1.3)", ["红2"]),
        ("__动物__在草地上", ["在草地上"]),
        ("__动物/*__, __a__红__b__", ["红"]),
        ("<猫>, <hypernet:红:1>, a < 红, b > c", ["红"]),
        ("masterpiece, 红房子 with Latin 8k, best quality", ["红房子 with Latin 8k"]),
        ("红房子BREAK蓝船", ["红房子BREAK蓝船"]),
        ("红/蓝♡🐱黄·, 达·芬奇", ["红", "蓝", "黄", "达·芬奇"]),
        ("C++程序员, R&B歌手, 1/2身, 红 f/1.8", ["程序员", "R&B歌手", "1/2身", "红 f/1.8"]),
        ("a red house", []),
    ],
)
def test_words_are_told_from_the_grammar(prompt: str, words: list[str]) -> None:
    assert words_of(prompt) == words


def test_names_stay_where_they_are_whole_words() -> None:
    assert words_of("国风, 红 easynegative 蓝, 国风美女", "国风", "EasyNegative") == ["红", "蓝", "国风美女"]
    assert words_of("<lora:国风 a:1>", "国风") == []


@given(st.text(st.sampled_from("红蓝 ,:1.3()[]{}<>|\\_$BREAKANDlora\n")))
def test_pieces_are_the_whole_prompt(prompt: str) -> None:
    assert "".join(piece.text for piece in split(prompt)) == prompt


def test_piece_without_foreign_words_is_kept() -> None:
    assert split("a house") == [Piece("a house")]


@pytest.mark.parametrize(
    ("prompt", "language"),
    [
        ("a red house", "en"),
        ("café — ①", "en"),
        ("a house <lora:国风:1>", "en"),
        ("红房子", "zh"),
        ("草地の红房子", "zh"),
        ("宫崎骏・红", "zh"),
        ("𠀀", "zh"),
        ("かわいい猫", "ja"),
        ("猫のお城", "ja"),
        ("ﾈｺ", "ja"),
        ("빨간 집", "ko"),
    ],
)
def test_language_is_that_of_the_script(prompt: str, language: str) -> None:
    assert language_of(prompt) == language


def test_first_foreign_words_are_found() -> None:
    assert foreign_words("a 红房子, 蓝船") == "红房子"
    assert foreign_words("a house") == ""


def test_tag_after_a_backslash_is_a_tag() -> None:
    assert [piece.text for piece in split("\\<lora:国风:1>红") if piece.foreign] == ["红"]
