"""Tells words from letters that only happen to follow each other: `popcorn`, `the pen is red`, `红色，情侣`."""

from __future__ import annotations

from itertools import pairwise

from server.audit.folding import Folding
from server.audit.letters import Place

BETWEEN_WORDS = frozenset(' \n\t,，、。;:|/()[]{}<>"【】《》「」')
"""What people write between words. Anything else between two letters joins them: p.o.r.n."""
BRACKETS = frozenset("()[]{}")
"""Alone between two letters they join them, too: a text encoder gets `po[]rn` and `(po:1)rn` as one word."""
FIRST_UNSPACED = 0x0E00
"""From here on, scripts have no spaces between words; their words are found anywhere."""
MIN_SPACED, SURELY_SPACED = 3, 6
"""Letters of a word that may be spread over several; from the second on, however it is split: `por nography`."""
SURELY_SPACED_HAN = 4
"""The same for scripts without spaces."""


class WordBorders:
    """Where words begin and end in texts that are folded so."""

    def __init__(self, folding: Folding) -> None:
        self._folding = folding

    def enclose(self, text: str, word: str, places: list[Place]) -> bool:
        """Whether the letters at these places are a word of their own, as far as their script shows it."""
        first, last = places[0][0], places[-1][1]
        before, after = self._neighbour(text, first - 1, -1), self._neighbour(text, last, 1)
        if self._runs_on(before, word[0], text[first]) or self._runs_on(after, word[-1], text[last - 1]):
            return False
        lengths = self._piece_lengths(text, places)
        if len(lengths) == 1 or (not word.isascii() and len(word) >= SURELY_SPACED_HAN):
            return True
        if before.isalnum() or after.isalnum() or (len(word) < MIN_SPACED and word.isascii()):
            return False
        return not word.isascii() or len(word) >= SURELY_SPACED or 1 in lengths

    def _neighbour(self, text: str, index: int, direction: int) -> str:
        """The visible character at `index` or behind invisible ones, folded; empty at the end of the text."""
        while 0 <= index < len(text):
            if folded := self._folding[ord(text[index])]:
                return folded[0 if direction > 0 else -1]
            index += direction
        return ""

    def _runs_on(self, neighbour: str, letter: str, written: str) -> bool:
        """Whether a word goes on beyond its last letter: a letter follows a letter, or a digit follows a digit."""
        if not neighbour or ord(letter) >= FIRST_UNSPACED:
            return False
        if neighbour.isdigit():
            return self._folding[ord(written)].isdigit()
        return letter.isalpha() and neighbour.isalpha() and ord(neighbour) < FIRST_UNSPACED

    def _piece_lengths(self, text: str, places: list[Place]) -> list[int]:
        """How many letters stand together each time, between what people write between words."""
        lengths = [1]
        for (_, end), (start, _) in pairwise(places):
            gap = text[end:start].translate(self._folding) if start > end else ""
            if BETWEEN_WORDS.isdisjoint(gap) or BRACKETS.issuperset(gap):
                lengths[-1] += 1
            else:
                lengths.append(1)
        return lengths
