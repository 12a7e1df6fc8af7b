"""Divides a clause into words: the fewest, those of the lexicon before those of the dictionary."""

from __future__ import annotations

import re

from server.prompts.gloss.vocabulary import Vocabulary
from server.prompts.gloss.words import COMMA, Word, literal, number

_HAN = r"\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_STRETCHES = re.compile(
    rf"(?P<han>[{_HAN}]+)|(?P<number>\d+)(?=\s*[{_HAN}])|(?P<comma>、)|(?P<other>[^\s、{_HAN}]+(?:\s+[^\s、{_HAN}]+)*)"
)


def segment(clause: str, vocabulary: Vocabulary) -> list[Word]:
    """The words of a clause in order."""
    words: list[Word] = []
    at = 0
    for match in vocabulary.mixed.finditer(clause):
        words += _segment(clause[at : match.start()], vocabulary)
        words.append(vocabulary.in_lexicon(match.group()))
        at = match.end()
    return words + _segment(clause[at:], vocabulary)


def _segment(text: str, vocabulary: Vocabulary) -> list[Word]:
    words: list[Word] = []
    for match in _STRETCHES.finditer(text):
        if match["han"]:
            words += _divide(match["han"], vocabulary)
        elif match["number"]:
            words.append(number(match["number"]))
        elif match["comma"]:
            words.append(COMMA)
        else:
            words.append(literal(match.group()))
    return words


def _divide(text: str, vocabulary: Vocabulary) -> list[Word]:
    """The cheapest way through the text, found from its end."""
    costs = [0.0] * (len(text) + 1)
    first: list[Word] = [Word("", ())] * len(text)
    for start in range(len(text) - 1, -1, -1):
        options = [(cost + costs[start + len(word.text)], word) for word, cost in vocabulary.candidates(text, start)]
        costs[start], first[start] = min(options, key=lambda option: (option[0], -len(option[1].text)))
    words, at = [], 0
    while at < len(text):
        words.append(first[at])
        at += len(first[at].text)
    return words
