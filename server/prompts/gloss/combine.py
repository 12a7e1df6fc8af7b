"""What becomes of two neighbouring phrases: the English of each rule of the grammar."""

from __future__ import annotations

from dataclasses import replace

from server.prompts.gloss import english
from server.prompts.gloss.phrase import Phrase, join

_WORKS = frozenset({"art", "artwork", "painting", "illustration", "photography", "work"})
"""What an artist's name follows with "by"."""
_PICTURES = frozenset({"photo", "portrait", "picture", "painting", "illustration", "close-up", "sketch", "statue"})
"""What shows somebody: a portrait of a girl."""
_PREPOSITIONS = ("in", "on", "at")
_SIZES = frozenset({"big", "small", "huge", "tiny", "long", "short", "tall"})
"""They stand before colours in English."""


def same(left: Phrase, right: Phrase) -> Phrase:
    """The second word has no English of its own: 的, 着."""
    return left


def second(left: Phrase, right: Phrase) -> Phrase:
    return right


def attribute(left: Phrase, right: Phrase) -> Phrase:
    """red | house; red | big house → big red house."""
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
        measure = english.plural(left.head) if left.many else left.head
        return Phrase(measure, left.before, join("of", right.several().text), left.determiner)
    if left.many:
        return replace(right.several(), determiner=join(left.determiner, right.determiner), many=True)
    if right.mass and left.determiner == "a":
        return right
    determiner = right.determiner if left.determiner == "a" and right.determiner else left.determiner
    return replace(right, head=english.singular(right.head), determiner=determiner)


def possessive(left: Phrase, right: Phrase) -> Phrase:
    """girl | eyes → girl's eyes; artist | art → art by artist."""
    if left.name and right.head in _WORKS:
        return right.suffix(join("by", left.text))
    if left.name:
        return right.prefix(left.text)
    if left.after or right.head.rpartition(" ")[2] in _PICTURES:
        return right.suffix(join("of", left.indefinite))
    if left.determiner == "a" or not left.determiner:
        return right.prefix(left.text + "'s")
    return replace(right, determiner=left.text + "'s")


def attributive(left: Phrase, right: Phrase) -> Phrase:
    """spring | garden; end | of the two worlds."""
    if left.name and right.head in _WORKS:
        return right.suffix(join("by", left.text))
    if left.bare:
        return right.prefix(left.text)
    return right.suffix(join("of", left.definite))


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


def none_of(left: Phrase, right: Phrase) -> Phrase:
    """no | people."""
    return replace(right.several(), determiner="no")


def without(left: Phrase, right: Phrase) -> Phrase:
    """sky | no clouds → sky without clouds."""
    return left.suffix(join("without", replace(right, determiner="").text))


def lacked_by(left: Phrase, right: Phrase) -> Phrase:
    return without(right, left)


def listed(left: Phrase, right: Phrase) -> Phrase:
    """red hair | blue eyes → red hair and blue eyes."""
    return left.suffix(join("and", right.text))


def several(left: Phrase, right: Phrase) -> Phrase:
    """girl | 们 → girls."""
    return replace(left.several(), many=True)


def placed(left: Phrase, right: Phrase) -> Phrase:
    """on the grass | house → house on the grass."""
    return right.suffix(left.text)


def place_after(left: Phrase, right: Phrase) -> Phrase:
    return left.suffix(right.text)


def place(left: Phrase, right: Phrase) -> Phrase:
    """grass | on → on the grass."""
    return Phrase(join(right.head, left.definite, right.after))


def place_in(left: Phrase, right: Phrase) -> Phrase:
    """在 | forest → in the forest."""
    return Phrase(join("in", right.definite))


def directed_place(left: Phrase, right: Phrase) -> Phrase:
    """from | in the sea → from the sea."""
    first, _, rest = right.text.partition(" ")
    return Phrase(join(left.head, rest if first in _PREPOSITIONS else right.text))


def directed(left: Phrase, right: Phrase) -> Phrase:
    """toward | sky → toward the sky."""
    return Phrase(join(left.head, right.indefinite))


def relative(left: Phrase, right: Phrase) -> Phrase:
    """riding a horse | girl → girl riding a horse; flying | bird → flying bird; made with clay | cup."""
    words = left.done if left.transitive and not right.animate else left.doing
    return right.suffix(words) if " " in words else right.prefix(words)


def clause_with(left: Phrase, right: Phrase) -> Phrase:
    """snow | cover → covered with snow; flag | flutter → with a flag fluttering."""
    if right.transitive:
        return Phrase(join(right.done, "with", left.text))
    return Phrase(join("with", left.indefinite, right.doing))


def clause_by(left: Phrase, right: Phrase) -> Phrase:
    """child | draw → drawn by a child."""
    return Phrase(join(right.done, "by", left.indefinite))


def comparison(left: Phrase, right: Phrase) -> Phrase:
    """house | big → bigger than a house."""
    return Phrase(join(english.comparative(right.text), "than", left.indefinite))


def place_after_adjective(left: Phrase, right: Phrase) -> Phrase:
    """like a star | bright → bright like a star."""
    return Phrase(join(right.text, left.text))


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
    return right.suffix(left.text)


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
    return left.suffix(right.head if right.fixed else english.adverb(right.text))


def mannerly(left: Phrase, right: Phrase) -> Phrase:
    """happy | 地 → happily."""
    return Phrase(english.adverb(left.text))


def degree(left: Phrase, right: Phrase) -> Phrase:
    """very | cute."""
    return right.prefix(left.text)


def agent(left: Phrase, right: Phrase) -> Phrase:
    """被 | snow → by snow."""
    return Phrase(join("by", right.indefinite))


def passive(left: Phrase, right: Phrase) -> Phrase:
    """by snow | cover → covered by snow."""
    return Phrase(join(right.done, left.head), fixed=True)


def passive_alone(left: Phrase, right: Phrase) -> Phrase:
    """被 | abandon → abandoned."""
    return Phrase(right.done, fixed=True)


def object_first(left: Phrase, right: Phrase) -> Phrase:
    """flower | put on the table → put the flower on the table."""
    return replace(right, after=join(left.text, right.after))


def done_for(left: Phrase, right: Phrase) -> Phrase:
    """flower | water → water flower; child | tell a story → tell a story for the child."""
    if " " in right.head or right.after:
        return right.suffix(join("for", left.definite))
    return right.suffix(left.indefinite)


def conjunction(left: Phrase, right: Phrase) -> Phrase:
    """and | dog; the conjunction waits in `before`."""
    return Phrase(join(left.text, right.text), name=right.name)


def conjunction_doing(left: Phrase, right: Phrase) -> Phrase:
    return Phrase(join(left.text, right.doing), fixed=True)


def joined(left: Phrase, right: Phrase) -> Phrase:
    """cat | and dog."""
    if not right.text.startswith(","):
        return left.suffix(right.text)
    if left.after:
        return replace(left, after=left.after + right.text)
    return replace(left, head=left.head + right.text)


def in_background(left: Phrase, right: Phrase) -> Phrase:
    """background is | sea → sea in the background."""
    return right.suffix("in the background")
