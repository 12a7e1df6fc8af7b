"""What two neighbours make of a verb: objects, places, clauses before a noun, passives."""

from __future__ import annotations

from dataclasses import replace

from server.prompts.gloss.combine import places
from server.prompts.gloss.english import adjectives as english_adjectives
from server.prompts.gloss.phrase import Phrase, join


def relative(left: Phrase, right: Phrase) -> Phrase:
    """riding a horse | girl → girl riding a horse; flying | bird → flying bird; made with clay | cup."""
    passive = left.transitive and (left.after or not right.animate)
    words = left.done if passive else left.doing
    return right.suffix(words) if " " in words else right.prefix(words)


def clause_with(left: Phrase, right: Phrase) -> Phrase:
    """snow | cover → covered with snow; flag | flutter → with a flag fluttering."""
    if right.transitive:
        return Phrase(join(right.done, "with", left.text))
    return Phrase(join("with", left.indefinite, right.doing))


def clause_by(left: Phrase, right: Phrase) -> Phrase:
    """child | draw → drawn by a child; player | jump → with a player jumping."""
    if not right.transitive:
        return clause_with(left, right)
    return Phrase(join(right.done, "by", left.indefinite))


def doing(left: Phrase, right: Phrase) -> Phrase:
    """girl | ride a horse → girl riding a horse."""
    return left.suffix(right.doing)


def objects(left: Phrase, right: Phrase) -> Phrase:
    """wear | red dress; full of | roses."""
    several = left.fixed and left.head.endswith((" of", " with")) and not right.determiner
    words = right.several().text if several else right.indefinite
    return replace(left, after=join(words, left.after), transitive=False)


def located(left: Phrase, right: Phrase) -> Phrase:
    """by the sea | run → run by the sea."""
    return places.place_after(right, left)


def serial(left: Phrase, right: Phrase) -> Phrase:
    """sit by the window | read."""
    return left.suffix(right.doing)


def appears(left: Phrase, right: Phrase) -> Phrase:
    """hang | picture → picture hanging; 装满 | strawberry → strawberries."""
    thing = right if left.head or right.determiner else right.several()
    return thing.suffix(left.doing)


def manner(left: Phrase, right: Phrase) -> Phrase:
    """happily | run → run happily."""
    return right.suffix(left.text)


def manner_after(left: Phrase, right: Phrase) -> Phrase:
    """smile | happy → smile happily."""
    return left.suffix(right.head if right.fixed else english_adjectives.adverb(right.text))


def mannerly(left: Phrase, right: Phrase) -> Phrase:
    """happy | 地 → happily."""
    return Phrase(english_adjectives.adverb(left.text))


def negated(left: Phrase, right: Phrase) -> Phrase:
    """没有 | wear shoes → not wear shoes."""
    return right.prefix("not")


def passive(left: Phrase, right: Phrase) -> Phrase:
    """by snow | cover → covered by snow."""
    return Phrase(join(right.done, left.head), fixed=True)


def passive_alone(left: Phrase, right: Phrase) -> Phrase:
    """被 | abandon → abandoned."""
    return Phrase(right.done, fixed=True)


def object_first(left: Phrase, right: Phrase) -> Phrase:
    """pizza | put into the oven → put the pizza into the oven."""
    head, _, rest = right.head.partition(" ")
    return replace(right, head=head, after=join(left.text, rest, right.after))


def done_for(left: Phrase, right: Phrase) -> Phrase:
    """flower | water → water flower; child | tell a story → tell a story for the child."""
    if " " in right.head or right.after:
        return right.suffix(join("for", left.definite))
    return right.suffix(left.indefinite)


def conjunction_doing(left: Phrase, right: Phrase) -> Phrase:
    return Phrase(join(left.text, right.doing), fixed=True)
