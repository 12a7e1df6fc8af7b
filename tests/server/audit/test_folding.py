import sys

import pytest

from server.audit.folding import MOST_CACHED, Folding


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("ＰＯＲＮ", "porn"),
        ("pórñ", "porn"),
        ("p\u0301o\u0335rn", "porn"),
        ("p\u200bo\u00adr\ufe0fn\U000e0061", "porn"),
        ("𝐩𝓸𝖗ⓝ", "porn"),
        ("🅿🅾🆁🅽 🇵🇴🇷🇳 🄿🅞RN", "porn porn porn"),
        ("ᴘᴏʀɴ øł", "porn ol"),
        ("Straße", "strasse"),
        ("ﬁnal ①℃", "final 1°c"),
        ("色\u3000情\n", "色 情\n"),
        ("⾊", "色"),
        ("が", "か\u3099"),
        ("\ud800", ""),
    ],
)
def test_characters_that_look_the_same_are_one(written: str, folded: str) -> None:
    assert written.translate(Folding({})) == folded


def test_traditional_characters_become_simplified_ones() -> None:
    assert "體, ＡB體".translate(Folding({"體": "体"})) == "体, ab体"


def test_every_character_is_folded_and_the_cache_is_bounded() -> None:
    folding = Folding({})
    folded = "".join(map(chr, range(sys.maxunicode + 1))).translate(folding)
    assert folded == folded.translate(folding).translate(folding)
    assert max(folding) < MOST_CACHED
