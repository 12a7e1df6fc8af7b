"""Finds the words of a large table in a text, in a time that does not grow with the table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

HEAD = 4
"""Words of this length and more are found by their first letters."""
T = TypeVar("T")


class WordTable(Generic[T]):
    """Words, and what belongs to each. A text takes one look-up per letter and length of a head."""

    def __init__(self, words: Mapping[str, T]) -> None:
        self._words = words
        self._heads: dict[int, dict[str, int]] = {}
        """By their length: the lengths of the words that begin so, as bits."""
        for word in words:
            heads = self._heads.setdefault(min(len(word), HEAD), {})
            head = word[:HEAD]
            heads[head] = heads.get(head, 0) | 1 << len(word)

    def __bool__(self) -> bool:
        return bool(self._words)

    def get(self, word: str) -> T | None:
        return self._words.get(word)

    def find(self, text: str) -> Iterator[tuple[int, int, T]]:
        """Where each word begins and ends in the text, also inside others, and what belongs to it."""
        for size, heads in self._heads.items():
            for start in [at for at in range(len(text) - size + 1) if text[at : at + size] in heads]:
                lengths = heads[text[start : start + size]]
                for length in range(size, min(lengths.bit_length(), len(text) - start + 1)):
                    if lengths >> length & 1 and (found := self._words.get(text[start : start + length])) is not None:
                        yield start, start + length, found
