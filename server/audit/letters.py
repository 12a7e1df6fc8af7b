"""The letters of a text without all that stands between them, and where each stands in the text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property

THREE_EQUAL = re.compile(r"([^\W\d_])\1\1+")
WEIGHT = re.compile(r":\s*+[+-]?(?:\d++\.?\d*+|\.\d++)\s*+(?=[)\]>])")
"""The weight that closes a bracket of a prompt. Its digits belong to no word.

Nothing is tried twice (`*+`): a prompt may have thousands of digits in a row, and the process waits for the search.
"""
Place = tuple[int, int]
"""Where a letter begins and ends in the text."""


class Letters:
    """The characters of a text that are left after folding: all of them, or letters and digits only."""

    def __init__(self, source: str, folding: Mapping[int, str], *, symbols: bool = False) -> None:
        self._source, self._folding, self._symbols = source, folding, symbols
        folded = source.translate(folding)
        self.text = folded if symbols else "".join(filter(str.isalnum, folded))

    @cached_property
    def places(self) -> list[Place]:
        """One place for each letter. Most texts have no word of any list, and never need them."""
        counts: dict[str, int] = {}
        for character in set(self._source):
            folded = self._folding[ord(character)]
            counts[character] = len(folded) if self._symbols else sum(map(str.isalnum, folded))
        return [(index, index + 1) for index, character in enumerate(self._source) for _ in range(counts[character])]


class Squeezed:
    """Letters of which runs of three and more equal ones are as short as `length`: for pooorn."""

    def __init__(self, letters: Letters, length: int) -> None:
        self._letters, self._length = letters, length
        self.text = THREE_EQUAL.sub(lambda run: run[1] * length, letters.text)

    @cached_property
    def places(self) -> list[Place]:
        whole, places, at = self._letters.places, list[Place](), 0
        for run in THREE_EQUAL.finditer(self._letters.text):
            places += whole[at : run.start() + self._length - 1]
            places.append((whole[run.start() + self._length - 1][0], whole[run.end() - 1][1]))
            at = run.end()
        return places + whole[at:]


def without_weights(text: str) -> str:
    """The text with brackets in place of weights, which join words as brackets do; all places stay the same."""
    return WEIGHT.sub(lambda weight: ")" * len(weight[0]), text)
