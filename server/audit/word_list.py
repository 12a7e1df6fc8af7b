"""The format of a word list: what its lines mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

LIST_NAME = re.compile(r"[^\s./\\]{1,64}(\.[^\s./\\]{1,64}){0,2}")
"""The label and perhaps two categories, with dots between."""
MAX_LENGTH = 100
"""Characters of a word. Longer lines are sentences, or the file is no word list."""
MAX_GROUP_LENGTH = 64
_PINYIN = re.compile(r"#\s*pinyin\s*")


class Rule(NamedTuple):
    """One line of a list: it holds for a text that has all its words."""

    list: str
    """The name of its list: `politics.people`."""
    label: str
    """What is said of a text instead of the words: `politics/people`, and the group of the word if it has one."""
    words: tuple[str, ...]
    allowed: bool = False
    """Whether a word of this list does not count inside this one."""
    pinyin: bool = False
    """Whether its syllables are found, too, written in Latin letters."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A line that is left out. The message does not repeat the line, because it is logged."""

    line: int
    message: str


def read_lines(name: str, text: str) -> Iterator[Rule | Problem]:
    """The rules of the list `name`."""
    label = path = name.replace(".", "/")
    pinyin = any(_PINYIN.fullmatch(line.strip()) for line in text.splitlines())
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if line.startswith("## "):
            label = f"{path}/{' '.join(line[3:].split())[:MAX_GROUP_LENGTH]}"
        elif line and not line.startswith("#"):
            yield _rule(name, label, line, pinyin) or Problem(number, _what_is_wrong(line))


def _rule(name: str, label: str, line: str, pinyin: bool) -> Rule | None:
    allowed = line.startswith("!")
    words = (line[1:].strip(),) if allowed else tuple(part.strip() for part in line.split("+"))
    if not all(words) or len(line) > MAX_LENGTH:
        return None
    return Rule(name, label, words, allowed, pinyin and not allowed)


def _what_is_wrong(line: str) -> str:
    if len(line) > MAX_LENGTH:
        return f"it is longer than {MAX_LENGTH} characters; write one word per line"
    return "a word is missing; write one word, a+b for two that must both be in a prompt, or !word for one to allow"
