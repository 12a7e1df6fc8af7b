"""The Simplified form of Traditional Chinese characters, as the words of the dictionary CC-CEDICT tell it."""

from __future__ import annotations

import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path

from server.prompts.gloss.cedict import find_cedict
from server.prompts.gloss.traditional import own_pairs


@cache
def simplified_characters() -> Mapping[str, str]:
    """Fewer characters if the package of the dictionary is not installed. Reading it takes most of a second."""
    file = find_cedict()
    return {**own_pairs(), **(character_pairs(_entries(file)) if file else {})}


def character_pairs(entries: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The most frequent Simplified form of each character that has one. `entries`: words in both scripts."""
    forms: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for traditional, simplified in entries:
        if len(traditional) == len(simplified):
            for character, form in zip(traditional, simplified, strict=True):
                forms[character][form] += 1
    pairs = {character: counts.most_common(1)[0][0] for character, counts in forms.items()}
    return {character: form for character in pairs if (form := _last_form(character, pairs)) != character}


def _last_form(character: str, pairs: Mapping[str, str]) -> str:
    """麼 is simplified to 么, which is a Traditional character, too: both must become the same."""
    seen = {character}
    while (form := pairs.get(character, character)) not in seen:
        seen.add(form)
        character = form
    return character


def _entries(file: Path) -> Iterator[tuple[str, str]]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            if not line.startswith("#") and len(words := line.split(" ", 2)) == 3:
                yield words[0], words[1]
