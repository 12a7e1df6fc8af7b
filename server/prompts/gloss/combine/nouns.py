"""What two neighbours make of a noun: adjectives, quantities, owners, parts, what it lacks."""

from __future__ import annotations

from dataclasses import replace

from server.prompts.gloss.english import nouns as english_nouns
from server.prompts.gloss.phrase import Phrase, join

_WORKS = frozenset({"art", "artwork", "painting", "illustration", "photography", "work"})
"""What an artist's name follows with "by"."""
_PICTURES = frozenset({"photo", "portrait", "picture", "painting", "illustration", "close-up", "sketch", "statue"})
"""What shows a person: a portrait of a girl."""
_SIZES = frozenset({"big", "small", "huge", "tiny", "long", "short", "tall"})
"""They stand before colours in English."""


def attribute(left: Phrase, right: Phrase) -> Phrase:
    """red | house; red | big house → big red house."""
    if (right.text + " ").startswith(left.text + " "):
        return right
    first, _, rest = right.before.partition(" ")
    if left.colour and first in _SIZES:
        return replace(right, before=join(first, left.text, rest))
    return right.prefix(left.text)


def adjective(left: Phrase, right: Phrase) -> Phrase:
    """red | hair, without 的, which lets an adjective stand far from its noun."""
    return attribute(left, right)


def predicate(left: Phrase, right: Phrase) -> Phrase:
    """hair | long → long hair."""
    return left.prefix(right.text)


def compound(left: Phrase, right: Phrase) -> Phrase:
    """forest | cabin."""
    if left.bare:
        return right.prefix(left.text)
    return replace(left, after=join(left.after, right.text))


def quantity(left: Phrase, right: Phrase) -> Phrase:
    """a | cat, two | cats, a cup of | coffee."""
    if left.head:
        measure = english_nouns.plural(left.head) if left.many else left.head
        return Phrase(measure, left.before, join("of", right.several().text), left.determiner)
    if left.many:
        return replace(right.several(), determiner=join(left.determiner, right.determiner), many=True)
    if right.mass and left.determiner == "a":
        return right
    determiner = right.determiner if left.determiner == "a" and right.determiner else left.determiner
    return replace(right, head=english_nouns.singular(right.head), determiner=determiner)


def possessive(left: Phrase, right: Phrase) -> Phrase:
    """girl | eyes → girl's eyes; artist | art → art by artist."""
    if left.name and right.head in _WORKS:
        return right.suffix(join("by", left.text))
    if left.name:
        return right.prefix(left.text)
    if left.after or right.head.rpartition(" ")[2] in _PICTURES:
        return right.suffix(join("of", left.indefinite))
    return replace(right, determiner=left.text + "'s")


def attributive(left: Phrase, right: Phrase) -> Phrase:
    """spring | garden; end | of the two worlds."""
    if left.name and right.head in _WORKS:
        return right.suffix(join("by", left.text))
    if left.bare:
        return right.prefix(left.text)
    return right.suffix(join("of", left.definite))


def owned(left: Phrase, right: Phrase) -> Phrase:
    """her | eyes."""
    other = "" if right.determiner == "a" else right.determiner
    return replace(right, determiner=join(left.text, other))


def part(left: Phrase, right: Phrase) -> Phrase:
    """long hair | girl → girl with long hair; dress | colour → dress colour."""
    if left.before or left.determiner or left.after:
        return right.suffix(join("with", left.indefinite))
    return right.prefix(left.text)


def owner(left: Phrase, right: Phrase) -> Phrase:
    """girl | long hair → girl with long hair."""
    if right.before or right.determiner or right.after:
        return left.suffix(join("with", right.indefinite))
    return right.prefix(left.text)


def having(left: Phrase, right: Phrase) -> Phrase:
    """girl | blue eyes → girl with blue eyes."""
    return left.suffix(join("with", right.indefinite))


def had_by(left: Phrase, right: Phrase) -> Phrase:
    """wings | lion → lion with wings."""
    return having(right, left)


def without(left: Phrase, right: Phrase) -> Phrase:
    """sky | no clouds → sky without clouds."""
    return left.suffix(join("without", right.indefinite))


def lacked_by(left: Phrase, right: Phrase) -> Phrase:
    return without(right, left)


def several(left: Phrase, right: Phrase) -> Phrase:
    """girl | 们 → girls."""
    return replace(left.several(), many=True)
