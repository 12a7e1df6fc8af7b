"""Divides a clause into words: the fewest, those of the lexicon before those of the dictionary."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from server.prompts.gloss.words import COMMA, Word, literal, number

_HAN = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_STRETCHES = re.compile(
    rf"(?P<han>[{_HAN}]+)|(?P<number>\d+)(?=\s*[{_HAN}])|(?P<comma>、)|(?P<other>[^\s、{_HAN}]+(?:\s+[^\s、{_HAN}]+)*)"
)
_LONGEST = 8
_LEXICON, _LETTER, _DICTIONARY, _CHARACTER, _UNKNOWN = 1.0, 0.9, 1.95, 2.3, 4.0
"""What a word costs: of the lexicon, a colour or particle of it, of the dictionary, one character of it, unknown."""
_LETTERS = frozenset(("DE", "DI", "DEI", "ZAI", "ASP", "NUM", "LOC", "C", "COLOUR"))

Find = Callable[[str], Word | None]


def segment(clause: str, lexicon: Mapping[str, Word], find: Find) -> list[Word]:
    """The words of a clause in order; `find` looks in the dictionary."""
    words: list[Word] = []
    for match in _STRETCHES.finditer(clause):
        if match["han"]:
            words += _divide(match["han"], lexicon, find)
        elif match["number"]:
            words.append(number(match["number"]))
        elif match["comma"]:
            words.append(COMMA)
        else:
            words.append(literal(match.group()))
    return words


def _divide(text: str, lexicon: Mapping[str, Word], find: Find) -> list[Word]:
    """The cheapest way through the text, found from its end."""
    costs = [0.0] * (len(text) + 1)
    first: list[Word] = [Word("", ())] * len(text)
    for start in range(len(text) - 1, -1, -1):
        options = [
            (cost + costs[start + len(word.text)], word) for word, cost in _candidates(text, start, lexicon, find)
        ]
        costs[start], first[start] = min(options, key=lambda option: (option[0], -len(option[1].text)))
    words, at = [], 0
    while at < len(text):
        words.append(first[at])
        at += len(first[at].text)
    return words


def _candidates(text: str, start: int, lexicon: Mapping[str, Word], find: Find) -> Iterator[tuple[Word, float]]:
    """The words that begin here, with their cost."""
    for end in range(start + 1, min(start + _LONGEST, len(text)) + 1):
        part = text[start:end]
        word = lexicon.get(part)
        if word is not None:
            letter = end - start == 1 and (not _LETTERS.isdisjoint(word.categories))
            yield word, _LETTER if letter else _LEXICON
        elif (word := find(part)) is not None:
            yield word, _CHARACTER if end - start == 1 else _DICTIONARY
        elif end - start == 1:
            yield Word(part, ()), _UNKNOWN
