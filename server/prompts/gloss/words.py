"""A word of a clause, and what it can be: its readings."""

from __future__ import annotations

from dataclasses import dataclass

from server.prompts.gloss.phrase import Phrase


@dataclass(frozen=True, slots=True)
class Reading:
    """One part of speech of a word."""

    category: str
    """As in grammar.py; also NUM number, M measure word, DET determiner, ASP aspect (着, 了), X without English."""
    phrase: Phrase
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Word:
    """A stretch of a clause."""

    text: str
    readings: tuple[Reading, ...]

    def is_a(self, category: str) -> Phrase | None:
        """Its English as this part of speech."""
        return next((reading.phrase for reading in self.readings if reading.category == category), None)

    @property
    def categories(self) -> frozenset[str]:
        return frozenset(reading.category for reading in self.readings)


def literal(text: str) -> Word:
    """A Latin stretch or a sign, which stays as it is; names and words of other languages stand as nouns."""
    return Word(text, (Reading("N", Phrase(text, name=True)),))


def number(digits: str) -> Word:
    """A number before a Chinese word, which may be a measure word: 2只猫, 1980年."""
    return Word(digits, (Reading("NUM", Phrase(digits)), Reading("N", Phrase(digits, name=True), 0.3)))


COMMA = Word("、", (Reading("C", Phrase(",")),))
