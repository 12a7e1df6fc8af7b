"""English forms that a gloss needs: plurals, -ing, past participles, adverbs, a or an."""

from __future__ import annotations

from functools import cache

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
_PARTICIPLES = {
    "break": "broken",
    "build": "built",
    "catch": "caught",
    "cut": "cut",
    "do": "done",
    "draw": "drawn",
    "drink": "drunk",
    "drive": "driven",
    "eat": "eaten",
    "fly": "flown",
    "freeze": "frozen",
    "give": "given",
    "hang": "hung",
    "hide": "hidden",
    "hit": "hit",
    "hold": "held",
    "lay": "laid",
    "light": "lit",
    "lose": "lost",
    "make": "made",
    "put": "put",
    "ride": "ridden",
    "see": "seen",
    "shake": "shaken",
    "shoot": "shot",
    "sing": "sung",
    "sink": "sunk",
    "spread": "spread",
    "surround": "surrounded",
    "swallow": "swallowed",
    "take": "taken",
    "tear": "torn",
    "throw": "thrown",
    "wear": "worn",
    "weave": "woven",
    "write": "written",
    "bind": "bound",
    "blow": "blown",
    "bring": "brought",
    "buy": "bought",
    "choose": "chosen",
    "fall": "fallen",
    "feed": "fed",
    "leave": "left",
    "read": "read",
    "set": "set",
    "show": "shown",
    "steal": "stolen",
    "think": "thought",
    "tell": "told",
    "win": "won",
    "wind": "wound",
}
_GERUNDS = {"be": "being", "see": "seeing", "lie": "lying", "die": "dying", "tie": "tying", "dye": "dyeing"}
_DOUBLING = frozenset(("emit", "begin", "forget", "admit", "patrol"))
OBJECTIVE = {"she": "her", "he": "him", "I": "me", "they": "them"}
UNIQUE = frozenset(("sky", "sun", "moon", "sea", "world", "horizon", "ground", "universe"))
"""Nouns that stand with "the"."""
_VOWELS = "aeiou"


@cache
def plural(noun: str) -> str:
    """two cats; of a phrase, its last word."""
    rest, _, last = noun.rpartition(" ")
    return f"{rest} {_plural(last)}".strip()


@cache
def singular(noun: str) -> str:
    """an eye, where the lexicon names eyes in the plural."""
    rest, _, last = noun.rpartition(" ")
    return f"{rest} {_singular(last)}".strip()


@cache
def gerund(verb: str) -> str:
    """riding; of a phrase, its first word."""
    first, space, rest = verb.partition(" ")
    return _gerund(first) + space + rest


@cache
def participle(verb: str) -> str:
    """covered; of a phrase, its first word."""
    first, space, rest = verb.partition(" ")
    return _participle(first) + space + rest


@cache
def adverb(adjective: str) -> str:
    """happily."""
    if " " in adjective or adjective.endswith("ly"):
        return adjective
    if adjective.endswith("y") and len(adjective) > 4:
        return adjective[:-1] + "ily"
    if adjective.endswith("le"):
        return adjective[:-1] + "y"
    return adjective + ("ally" if adjective.endswith("ic") else "ly")


def is_plural(noun: str) -> bool:
    """Several already: eyes, people."""
    last = noun.rpartition(" ")[2]
    if last in _SINGULARS or last in _UNCHANGED:
        return last not in _COUNTED
    return last.endswith("s") and not last.endswith(("ss", "us", "is")) and last not in ("bus", "lens", "canvas")


def article(words: str) -> str:
    """The indefinite article of what follows."""
    first = words[:1].lower()
    spoken_as_you = words.startswith(("uni", "use", "euro"))
    return "an" if first in _VOWELS and first and not spoken_as_you else "a"


def _plural(noun: str) -> str:
    if noun in _PLURALS:
        return _PLURALS[noun]
    if noun in _UNCHANGED or is_plural(noun) or not noun.isascii():
        return noun
    for single, several in _PLURALS.items():
        if noun.endswith(single) and single in ("man", "woman", "child", "person"):
            return noun.removesuffix(single) + several
    if noun.endswith("y") and noun[-2:-1] not in _VOWELS:
        return noun[:-1] + "ies"
    if noun.endswith(("s", "x", "z", "ch", "sh")):
        return noun + "es"
    return noun + "s"


def _singular(noun: str) -> str:
    if noun in _SINGULARS:
        return _SINGULARS[noun]
    if noun in _UNCHANGED or not is_plural(noun):
        return noun
    if noun.endswith("ies") and len(noun) > 4:
        return noun[:-3] + "y"
    if noun.endswith(("ches", "shes", "sses", "xes")):
        return noun[:-2]
    return noun[:-1]


def _gerund(verb: str) -> str:
    if verb in _GERUNDS:
        return _GERUNDS[verb]
    if verb.endswith("ing") and len(verb) > 5:
        return verb
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return verb[:-1] + "ing"
    return verb + (verb[-1] if _doubles(verb) else "") + "ing"


def _participle(verb: str) -> str:
    if verb in _PARTICIPLES:
        return _PARTICIPLES[verb]
    if verb.endswith(("ed", "en")) and len(verb) > 5:
        return verb
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2:-1] not in _VOWELS:
        return verb[:-1] + "ied"
    return verb + (verb[-1] if _doubles(verb) else "") + "ed"


def _doubles(verb: str) -> bool:
    """True for one syllable that ends in one vowel and one consonant: sit, run, hug."""
    if len(verb) < 3 or not verb.isalpha():
        return False
    if verb in _DOUBLING:
        return True
    consonant = verb[-1] not in "aeiouwxy"
    vowels = sum(letter in _VOWELS for letter in verb.replace("qu", "q"))
    return consonant and verb[-2] in _VOWELS and vowels == 1


def comparative(adjective: str) -> str:
    """bigger, more beautiful."""
    if len(adjective) > 6 or " " in adjective:
        return f"more {adjective}"
    if adjective.endswith("y"):
        return adjective[:-1] + "ier"
    if adjective.endswith("e"):
        return adjective + "r"
    return adjective + (adjective[-1] if _doubles(adjective) else "") + "er"
