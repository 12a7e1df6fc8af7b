"""-ing forms and past participles of English verbs."""

from __future__ import annotations

from functools import cache

_VOWELS = "aeiou"
_PARTICIPLES = {
    "bite": "bitten",
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


@cache
def gerund(verb: str) -> str:
    """riding; of a phrase, its first word, but gently touching."""
    first, space, rest = verb.partition(" ")
    if first.endswith("ly") and rest and first not in ("fly", "apply", "reply"):
        return f"{first} {gerund(rest)}"
    return _gerund(first) + space + rest


@cache
def participle(verb: str) -> str:
    """covered; of a phrase, its first word."""
    first, space, rest = verb.partition(" ")
    return _participle(first) + space + rest


def _gerund(verb: str) -> str:
    if verb in _GERUNDS:
        return _GERUNDS[verb]
    if verb.endswith("ing") and len(verb) > 5:
        return verb
    if verb.endswith("e") and not verb.endswith(("ee", "oe", "ye")):
        return verb[:-1] + "ing"
    return verb + (verb[-1] if doubles(verb) else "") + "ing"


def _participle(verb: str) -> str:
    if verb in _PARTICIPLES:
        return _PARTICIPLES[verb]
    if verb.endswith(("ed", "en")) and len(verb) > 5:
        return verb
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2:-1] not in _VOWELS:
        return verb[:-1] + "ied"
    return verb + (verb[-1] if doubles(verb) else "") + "ed"


def doubles(verb: str) -> bool:
    """True for one syllable that ends in one vowel and one consonant: sit, run, hug."""
    if len(verb) < 3 or not verb.isalpha():
        return False
    if verb in _DOUBLING:
        return True
    consonant = verb[-1] not in "aeiouwxy"
    vowels = sum(letter in _VOWELS for letter in verb.replace("qu", "q"))
    return consonant and verb[-2] in _VOWELS and vowels == 1
