"""Characters that stand for Latin letters in words that are to be read, but not found: p0rn, роrn, $ex."""

from __future__ import annotations

import re

from server.audit.folding import Folding, letters_of

LOOK_ALIKES = letters_of(
    a="аαӑ4@∂", b="вьβ8ხ", c="сϲ¢ҫς", d="ԁժ", e="еёєεɛ3€ҽ", f="ϝ", g="ɡց9", h="нһհ", i="іιӏїlьӀ1!|¡", j="јϳ", k="кκ",
    m="мμ", n="пոηπ", o="оοօσ0ө", p="рρ", q="ԛզ", r="гяɼ", s="ѕ5$§ʂտ", t="тτ7", u="υսцμ", v="ѵν", w="ԝωшա", x="хχ×",
    y="уγүч", z="ʐ2ᴢ",
)  # fmt: skip
"""To the letter that each looks like. L, I and 1 are one letter, since each stands for the others."""
MAY_LOOK = re.compile(r"[0-9@$!|]|[^\x00-\x7f]")
"""Without one of these a text has no look-alikes."""
SYMBOLS = frozenset("@$!|")
RUN = re.compile(r"(.)\1\1+")


class LookAlikeFolding(dict[int, str]):
    """What each character is folded to if it looks like a Latin letter, else what `folding` says."""

    def __init__(self, folding: Folding) -> None:
        super().__init__()
        self._folding = folding

    def __missing__(self, code: int) -> str:
        folded = self._folding[code].translate(LOOK_ALIKES)
        if code in self._folding:  # what the folding does not keep is not kept here, either
            self[code] = folded
        return folded

    def is_disguise(self, written: str) -> bool:
        """Whether a word has look-alikes, but consists of letters to a half at least: 455 is a number."""
        folded = RUN.sub(r"\1", written.translate(self._folding))
        letters = sum(map(str.isalpha, folded))
        length = sum(map(str.isalnum, folded.translate(self)))
        shown = (each for each in folded if each.isalnum() or each in SYMBOLS)
        return 2 * letters >= length and any(not "a" <= each <= "z" for each in shown)
