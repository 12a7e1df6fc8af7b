"""Plurals of English nouns, and their articles."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache

_VOWELS = "aeiou"
_JOINTS = re.compile(r" (of|with|in|over) ")
"""What follows them in a phrase does not change with its number."""
_PLURALS = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "foot": "feet",
    "tooth": "teeth",
    "mouse": "mice",
    "goose": "geese",
    "leaf": "leaves",
    "wolf": "wolves",
    "knife": "knives",
    "elf": "elves",
    "dwarf": "dwarves",
    "loaf": "loaves",
    "bookshelf": "bookshelves",
    "hero": "heroes",
    "potato": "potatoes",
    "tomato": "tomatoes",
    "ox": "oxen",
    "cactus": "cacti",
}
_SINGULARS = {plural: single for single, plural in _PLURALS.items()}
_BOTH = "sheep fish deer koi samurai swordfish jellyfish starfish goldfish aircraft salmon"
_ONLY_PLURAL = (
    "trousers pants jeans shorts glasses sunglasses scissors clothes people bamboo scenery clothing furniture jewelry"
    " armor hair"
)
_UNCHANGED = frozenset((_BOTH + " " + _ONLY_PLURAL).split())
_COUNTED = frozenset(_BOTH.split())
"""Of those, what can be one."""
OBJECTIVE = {"she": "her", "he": "him", "I": "me", "they": "them"}
UNIQUE = frozenset(("sky", "sun", "moon", "sea", "world", "horizon", "ground", "universe"))
"""Nouns that stand with "the"."""


@cache
def plural(noun: str) -> str:
    """two cats; of a phrase, its head: seas of flowers, maple trees."""
    return _change(noun, _plural)


@cache
def singular(noun: str) -> str:
    """an eye, where the lexicon names eyes in the plural."""
    return _change(noun, _singular)


def is_plural(noun: str) -> bool:
    """Several already: eyes, people."""
    last = _without_prefix(_JOINTS.split(noun)[0].rpartition(" ")[2])
    if last in _SINGULARS or last in _UNCHANGED:
        return last not in _COUNTED
    return last.endswith("s") and not last.endswith(("ss", "us", "is")) and last not in ("bus", "lens", "canvas")


def article(words: str) -> str:
    """The indefinite article of what follows."""
    first = words[:1].lower()
    spoken_as_you = words.startswith(("uni", "use", "euro"))
    return "an" if first in _VOWELS and first and not spoken_as_you else "a"


def _change(phrase: str, change: Callable[[str], str]) -> str:
    joint = _JOINTS.search(phrase)
    before, after = (phrase[: joint.start()], phrase[joint.start() :]) if joint else (phrase, "")
    rest, space, last = before.rpartition(" ")
    return rest + space + change(last) + after


def _plural(noun: str) -> str:
    end = _without_prefix(noun)
    if end in _PLURALS:
        return noun.removesuffix(end) + _PLURALS[end]
    if noun in _UNCHANGED or is_plural(noun) or not noun.isascii():
        return noun
    if noun.endswith("y") and noun[-2:-1] not in _VOWELS:
        return noun[:-1] + "ies"
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    return noun + "s"


def _singular(noun: str) -> str:
    end = _without_prefix(noun)
    if end in _SINGULARS:
        return noun.removesuffix(end) + _SINGULARS[end]
    if noun in _UNCHANGED or not is_plural(noun):
        return noun
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith(("ches", "shes", "sses", "xes", "uses")) and noun != "houses":
        return noun[:-2]
    return noun[:-1]


def _without_prefix(noun: str) -> str:
    """man of swordsman, child of grandchild."""
    ends = (
        end
        for end in ("man", "men", "child", "children")
        if noun.endswith(end) and noun not in ("human", "woman", "women")
    )
    return max(ends, key=len, default=noun)
