import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.prompts.folding import fold


@pytest.mark.parametrize(
    ("prompt", "folded"),
    [
        ("（（（锦鲤颜色）））", "(((锦鲤颜色)))"),
        ("（红色：1.3）", "(红色:1.3)"),
        ("［雾］｛红｜蓝｝＼（大＼）", r"[雾]{红|蓝}\(大\)"),
        ("红房子，蓝船、白猫。雾", "红房子,蓝船,白猫,雾"),
        ("红房子。", "红房子"),
        ("８Ｋ　ＵＨＤ", "8K UHD"),
        ("【雾】《红》「蓝」『白』", "雾红蓝白"),
        ("“红” ‘蓝’", "\"红\" '蓝'"),
        ("红——蓝……白", "红 蓝 白"),
        ("红\u200b房\u2060子\ufeff\u202e\u00ad\x07❤\ufe0f", "红房子❤"),
        ("①℃ﬁ ½", "①℃ﬁ ½"),
        ("café au lait", "café au lait"),
        ("红\n蓝\r\n白", "红\n蓝\r\n白"),
        ("<lora:国风（新）：0.8>（红）", "<lora:国风（新）:0.8>(红)"),
        ("＜lora：ink：0.8＞", "<lora:ink:0.8>"),
    ],
)
def test_what_is_written_is_what_it_looks_like(prompt: str, folded: str) -> None:
    assert fold(prompt) == folded


@given(st.text(st.characters(codec="ascii")))
def test_ascii_stays(prompt: str) -> None:
    assert fold(prompt) == prompt


@settings(max_examples=500)
@given(st.text(st.sampled_from("红a <>:，。、（）：　…—\u200b\n\xa0é＜＞lora「")) | st.text())
def test_folding_twice_changes_nothing_more(prompt: str) -> None:
    assert fold(fold(prompt)) == fold(prompt)


@pytest.mark.parametrize("run", [" ", "。", "、 "])
def test_long_runs_are_read_once(run: str) -> None:
    """A search that tries each stop of a run again takes minutes for this."""
    assert fold(f"红{run * 200_000}房") != ""
