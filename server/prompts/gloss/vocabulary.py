"""All words that the gloss knows: the lexicon, then the dictionary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import pairwise

from server.prompts.gloss.cedict import Cedict
from server.prompts.gloss.guess import guess
from server.prompts.gloss.lexicon import read_lexicon
from server.prompts.gloss.words import Word

_CACHED_WORDS = 20_000
_LONGEST = 8
_LEXICON, _PARTICLE, _DICTIONARY, _LONG, _CHARACTER, _UNKNOWN = 1.0, 0.9, 1.95, 2.05, 2.3, 4.0
"""Costs of a word: of the lexicon, a colour or particle of it, of the dictionary (two characters, more, one), unknown.
Two words of the lexicon go before a long one of the dictionary."""
_LOCALIZERS = frozenset("上下里中")
_NONE = Word("", ())
_BEFORE_MEASURES = frozenset("0123456789零一二两三四五六七八九十百千万几这那每某半多数整大小另")
_PARTICLES = frozenset(("DE", "DI", "DEI", "ZAI", "ASP", "NUM", "C", "COLOUR"))


class Vocabulary:
    """Looks words up by their Simplified spelling."""

    def __init__(self, lexicon: Mapping[str, Word], cedict: Cedict | None) -> None:
        self._lexicon = lexicon
        self._cedict = cedict
        mixed = sorted((word for word in lexicon if re.search(r"[a-zA-Z0-9·]", word)), key=len, reverse=True)
        self.mixed = re.compile("|".join(map(re.escape, mixed)) or "(?!)")
        """Words of the lexicon that hold Latin letters: T恤."""
        self.in_dictionary = lru_cache(_CACHED_WORDS)(self._in_dictionary)

    @classmethod
    def load(cls) -> Vocabulary:
        return cls(read_lexicon(), Cedict.load())

    @property
    def simplified(self) -> Mapping[str, str]:
        """Characters that the dictionary spells otherwise in Traditional."""
        return self._cedict.simplified if self._cedict else {}

    def in_lexicon(self, word: str) -> Word:
        return self._lexicon[word]

    def candidates(self, text: str, start: int) -> Iterator[tuple[Word, float]]:
        """The words that begin here, with their cost."""
        for end in range(start + 1, min(start + _LONGEST, len(text)) + 1):
            part = text[start:end]
            alone = end - start == 1
            if word := self._lexicon.get(part):
                yield word, _cost(word, text[start - 1 : start])
            elif word := self.in_dictionary(part):
                yield word, _CHARACTER if alone else _LONG if len(part) > 2 or _has_place(part, start) else _DICTIONARY
            elif alone:
                yield Word(part, ()), _UNKNOWN

    def _in_dictionary(self, word: str) -> Word | None:
        if self._cedict is None or word not in self._cedict or self._is_quantity(word):
            return None
        gloss = self._cedict.gloss(word)
        return guess(word, gloss) if gloss else None

    def _is_quantity(self, word: str) -> bool:
        """With a number and its measure word, which the dictionary has in odd senses: 一条龙, 上一个."""
        letters = [self._lexicon.get(letter, _NONE).categories for letter in word]
        return word[0] == "个" or any(
            "M" in second and not first.isdisjoint(("NUM", "DET")) for first, second in pairwise(letters)
        )


def _has_place(part: str, start: int) -> bool:
    """True where a localizer may belong to another word: 岛上流下, 站台上."""
    return part[1] in _LOCALIZERS or (start > 0 and part[0] in _LOCALIZERS)


def _cost(word: Word, before: str) -> float:
    """Of a word of the lexicon; `before`: the character before it. A measure word follows a number."""
    if word.categories == {"M"} and before and before not in _BEFORE_MEASURES:
        return _CHARACTER
    if len(word.text) == 1 and not _PARTICLES.isdisjoint(word.categories):
        return _PARTICLE
    return _LEXICON
