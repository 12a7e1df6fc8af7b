"""Takes words out of a prompt, so that what is left is still a prompt: no empty brackets, no commas in a row."""

from __future__ import annotations

import re
from collections.abc import Iterable

from server.audit.letters import Place

BRACKETS = frozenset("()[]{}")
TAG = re.compile(r"<[^<>]*>")
"""`<lora:name:0.8>`, which means nothing without its name."""
COMMA = "[,，、]"
_WEIGHT = r"(?::\s*+[+-]?[\d.]*+\s*+)?+"
_BLANK = r"[^\S\n]"
_BLANKS = f"{_BLANK}*+"
"""Tries nothing twice, for a prompt may have thousands of blanks in a row."""
_BEFORE = rf"(?<!{_BLANK})"
"""Where blanks begin. In the middle of them a search would read the rest of them again and again."""
_SEPARATOR = f"{_BLANKS}{COMMA}?+{_BLANKS}"
FIRST_PRIVATE = 0xE000
MOST_NESTED = 32
"""Brackets around nothing that are taken out; deeper ones stay, and mean nothing."""


def without_places(text: str, places: Iterable[Place]) -> str:
    """The text without what stands at these places."""
    hole = next(chr(code) for code in range(FIRST_PRIVATE, FIRST_PRIVATE + len(text) + 1) if chr(code) not in text)
    parts, at = list[str](), 0
    for start, end in _joined([*places, *_cut_tags(text, places)]):
        parts += [text[at:start], hole, _unbalanced_brackets(text[start:end]), hole]
        at = end
    return _tidied("".join(parts) + text[at:], hole)


def _cut_tags(text: str, places: Iterable[Place]) -> list[Place]:
    tags = [tag.span() for tag in TAG.finditer(text)] if "<" in text else []
    return [(start, end) for start, end in tags if any(start < last and first < end for first, last in places)]


def _joined(places: Iterable[Place]) -> list[Place]:
    joined: list[Place] = []
    for start, end in sorted(places):
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def _unbalanced_brackets(text: str) -> str:
    """The brackets that open or close outside of the text: `po(rn` leaves `(`."""
    brackets = "".join(character for character in text if character in BRACKETS)
    while (shorter := re.sub(r"\(\)|\[\]|\{\}", "", brackets)) != brackets:
        brackets = shorter
    return brackets


def _tidied(text: str, hole: str) -> str:
    """The text without holes, and without what they have left useless around them."""
    several = re.compile(rf"{hole}(?:{_SEPARATOR}{hole})++")
    inside = rf"{_BLANKS}{hole}(?:{_BLANK}|{COMMA})*+{_WEIGHT}"
    empty = re.compile(rf"(?<!\\)(?:\({inside}\)|\[{inside}\]|\{{{inside}\}})")
    for _ in range(MOST_NESTED):
        text, count = empty.subn(hole, several.sub(hole, text))
        if not count:
            break
    text = re.sub(rf"(^|[(\[{{|\n]){_BLANKS}{hole}{_SEPARATOR}", r"\1", text)
    text = re.sub(rf"{_BEFORE}{_SEPARATOR}{hole}{_BLANKS}(?=$|[)\]}}|\n:])", "", text)
    text = re.sub(rf"{_BEFORE}{_BLANKS}{COMMA}{_BLANKS}{hole}{_BLANKS}({COMMA})", r"\1", text)
    text = re.sub(rf"{_BEFORE}{_BLANK}++{hole}{_BLANKS}", " ", text)
    return text.replace(hole, "")
