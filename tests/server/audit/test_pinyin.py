import pytest

from server.audit.folding import Folding
from server.audit.matching import Matcher
from server.audit.pinyin import syllables
from server.audit.word_list import Rule


@pytest.mark.parametrize(("word", "spelling"), [("色情", ("seqing",)), ("女优", ("nvyou",)), ("饿", ()), ("porn", ())])
def test_syllables(word: str, spelling: tuple[str, ...]) -> None:
    assert syllables(word) == spelling


def test_list_with_pinyin_finds_syllables() -> None:
    plain, pinyin = (Matcher([Rule("a", "a", ("色情",), pinyin=each)], Folding({})) for each in (False, True))
    assert [bool(pinyin.find(text)) for text in ("seqing", "se qing", "s.e.q.i.n.g", "色情", "seqinger")] == [
        *(True, True, True, True),
        False,
    ]
    assert not plain.find("seqing")
