"""Finds the words of all lists in a text, in whatever disguise they are written."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, product
from string import ascii_lowercase

from server.audit.folding import Folding
from server.audit.letters import THREE_EQUAL, Letters, Place, Squeezed, without_weights
from server.audit.look_alikes import MAY_LOOK, LookAlikeFolding
from server.audit.pinyin import syllables
from server.audit.word_borders import WordBorders
from server.audit.word_list import Rule
from server.audit.word_table import WordTable

JOINING = "*"
JOINS_IN_WORDS = frozenset(" -_.'’·&")
"""What may be left out of a word of a list: `hand-job` is `handjob`. A word with another symbol is found as it is."""
MIN_LOOK_ALIKE = 3
STRAY = re.compile(r"(?ai)(?<=[\u3400-\u9fff])[a-z0-9]{1,2}(?=[\u3400-\u9fff])")
"""Letters and digits between Chinese characters, which hide a word: 色x情."""
LORA = re.compile(r"(?i)<lora:[^<>]*>")
"""Tags that are taken out of a prompt before it is painted, so that `po<lora:ink:0>rn` is one word."""
STARRED = re.compile(r"(?ai)(?<![\w*#@%])([a-z]+)([*#@%]{1,2})([a-z]+)(?![\w*#@%])")
MOST_STARRED = 30

RuleWord = tuple[Rule, int]
"""A rule, and which of its words."""
Table = WordTable[list[RuleWord]]


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that holds for a text, and where its words are."""

    rule: Rule
    places: tuple[Place, ...]

    def outside(self, allowed: Iterable[Place]) -> Match:
        """Without the places that are inside of others."""
        return Match(self.rule, tuple(place for place in self.places if not _is_inside(place, allowed)))


class Matcher:
    """The words of all rules, folded as texts are."""

    def __init__(self, rules: Iterable[Rule], folding: Folding) -> None:
        self._folding, self._look_folding, self._borders = folding, LookAlikeFolding(folding), WordBorders(folding)
        letters: defaultdict[str, list[RuleWord]] = defaultdict(list)
        symbols: defaultdict[str, list[RuleWord]] = defaultdict(list)
        for rule in rules:
            for index, word in enumerate(rule.words):
                folded = word.translate(folding)
                joined = folded if folded.isalnum() else "".join(filter(str.isalnum, folded))
                if joined and (joined is folded or JOINS_IN_WORDS.issuperset(set(folded) - set(joined))):
                    letters[joined].append((rule, index))
                else:
                    symbols[folded].append((rule, index))
                for spelling in syllables(folded) if rule.pinyin else ():
                    letters[spelling].append((rule, index))
        symbols.pop("", None)
        self._letters, self._symbols = WordTable(letters), WordTable(symbols)
        self._look_alikes = WordTable(self._as_they_look(letters))

    def _as_they_look(self, words: Mapping[str, list[RuleWord]]) -> dict[str, list[RuleWord]]:
        alike: defaultdict[str, list[RuleWord]] = defaultdict(list)
        for word, rules in words.items():
            if len(word) >= MIN_LOOK_ALIKE and word.isascii() and word.isalpha():
                alike[word.translate(self._look_folding)] += rules
        return alike

    def find(self, text: str) -> list[Match]:
        """The rules that hold for the text."""
        found: defaultdict[Rule, defaultdict[int, set[Place]]] = defaultdict(lambda: defaultdict(set))
        for place, rule_words in self._places(without_weights(text)):
            for rule, index in rule_words:
                found[rule][index].add(place)
        return [
            Match(rule, tuple(sorted({place for places in words.values() for place in places})))
            for rule, words in found.items()
            if len(words) == len(rule.words)
        ]

    def _places(self, text: str) -> Iterator[tuple[Place, list[RuleWord]]]:
        yield from self._words(text, Letters(text, self._folding), self._letters)
        for hiding in (STRAY, LORA):
            stripped = hiding.sub(lambda stray: JOINING * len(stray[0]), text)
            if stripped == text:
                continue
            yield from self._words(stripped, Letters(stripped, self._folding), self._letters)
        if self._symbols:
            yield from self._words(text, Letters(text, self._folding, symbols=True), self._symbols)
        if self._look_alikes and MAY_LOOK.search(text):
            for place, rules in self._words(text, Letters(text, self._look_folding), self._look_alikes):
                if self._look_folding.is_disguise(text[slice(*place)]):
                    yield place, rules
        yield from self._starred(text)

    def _words(self, text: str, letters: Letters, table: Table) -> Iterator[tuple[Place, list[RuleWord]]]:
        yield from self._words_in(text, letters, table)
        if THREE_EQUAL.search(letters.text):
            for length in (1, 2):
                yield from self._words_in(text, Squeezed(letters, length), table)

    def _words_in(self, text: str, letters: Letters | Squeezed, table: Table) -> Iterator[tuple[Place, list[RuleWord]]]:
        for start, end, rules in table.find(letters.text):
            places = letters.places
            if self._borders.enclose(text, letters.text[start:end], places[start:end]) and not (
                _cuts_character(places, start) or _cuts_character(places, end)
            ):
                yield (places[start][0], places[end - 1][1]), rules

    def _starred(self, text: str) -> Iterator[tuple[Place, list[RuleWord]]]:
        """Words in which stars hide letters: p*rn."""
        for token in islice(STARRED.finditer(text), MOST_STARRED):
            begin, end = token[1].lower(), token[3].lower()
            for hidden in product(ascii_lowercase, repeat=len(token[2])):
                if rules := self._letters.get(f"{begin}{''.join(hidden)}{end}"):
                    yield token.span(), rules


def _is_inside(place: Place, others: Iterable[Place]) -> bool:
    return any(start <= place[0] and place[1] <= end for start, end in others)


def _cuts_character(places: list[Place], index: int) -> bool:
    """Whether the letters before and at `index` are one character of the text, such as a ligature."""
    return 0 < index < len(places) and places[index - 1] == places[index]
