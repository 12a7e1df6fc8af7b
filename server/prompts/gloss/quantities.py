"""Numbers and measure words become one quantity each: 一只 → a, 三朵 → three, 一杯 → a cup of."""

from __future__ import annotations

from dataclasses import replace

from server.prompts.gloss.phrase import Phrase, join
from server.prompts.gloss.words import Reading, Word

_DIGITS = {"零": 0, "〇": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_LARGE = {"万": 10_000, "亿": 100_000_000}
_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_SIZES = {"大": "big", "小": "small", "整": "whole"}
"""What may stand between a number and its measure word: 一大片."""


def merge_quantities(words: list[Word]) -> list[Word]:
    """The words, with each number and its measure word as one."""
    merged: list[Word] = []
    at = 0
    while at < len(words):
        found = _quantity(words, at)
        word, at = found if found else (words[at], at + 1)
        merged.append(word)
    return merged


def value_of(numeral: str) -> int:
    """三十六 is 36."""
    total = section = digit = 0
    if len(numeral) > 1 and all(sign in _DIGITS for sign in numeral):
        return int("".join(str(_DIGITS[sign]) for sign in numeral))
    for sign in numeral:
        if sign in _DIGITS:
            digit = _DIGITS[sign]
        elif sign in _UNITS:
            section += (digit or 1) * _UNITS[sign]
            digit = 0
        else:
            total += (section + digit or 1) * _LARGE[sign]
            section = digit = 0
    return total + section + digit


def _quantity(words: list[Word], at: int) -> tuple[Word, int] | None:
    """The quantity that begins here, and where it ends."""
    end = at
    while end < len(words) and _is_numeral(words[end]):
        end += 1
    if end > at:
        amount = _amount("".join(word.text for word in words[at:end]))
    elif determiner := words[at].is_a("DET"):
        amount, end = determiner, at + 1
    else:
        return None
    size = ""
    if end + 1 < len(words) and words[end].text in _SIZES and words[end + 1].is_a("M"):
        size, end = _SIZES[words[end].text], end + 1
    measure = words[end].is_a("M") if end < len(words) else None
    text = "".join(word.text for word in words[at : end + 1])
    if measure is None:
        return Word(text, (Reading("Q", amount), *_alone(words[at:end], amount))), end
    if measure.head.startswith("~"):
        return Word(text, (Reading("A", Phrase(measure.head.replace("~", amount.determiner))),)), end + 1
    return Word(text, (Reading("Q", replace(amount, head=measure.head, before=join(size, measure.before))),)), end + 1


def _is_numeral(word: Word) -> bool:
    return word.is_a("NUM") is not None and (word.text.isdecimal() or word.text[0] in (*_DIGITS, *_UNITS, *_LARGE))


def _amount(numeral: str) -> Phrase:
    """As a determiner: a, two, 36."""
    if not numeral.isdecimal() and not all(sign in (*_DIGITS, *_UNITS, *_LARGE) for sign in numeral):
        return Phrase("", determiner=numeral, many=True)
    value = int(numeral) if numeral.isdecimal() else value_of(numeral)
    if value == 1:
        return Phrase("", determiner="a")
    return Phrase("", determiner=_NAMES[value] if value < len(_NAMES) else str(value), many=True)


def _alone(numerals: list[Word], amount: Phrase) -> tuple[Reading, ...]:
    """A number that counts nothing: 1980, 第三."""
    text = numerals[0].text if len(numerals) == 1 and numerals[0].text.isdecimal() else amount.determiner
    return (Reading("N", Phrase(text, name=True), 0.6),)
