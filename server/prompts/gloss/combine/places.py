"""What two neighbours make of a place, a time or a preposition, and where these stand."""

from __future__ import annotations

from dataclasses import replace

from server.prompts.gloss.english import adjectives as english_adjectives
from server.prompts.gloss.phrase import Phrase, join

_PREPOSITIONS = ("in", "on", "at")


def placed(left: Phrase, right: Phrase) -> Phrase:
    """on the grass | house → house on the grass."""
    return right.suffix(left.text)


def none_placed(left: Phrase, right: Phrase) -> Phrase:
    """on the street | people → no people on the street."""
    return replace(right.several(), determiner="no").suffix(left.text)


def place(left: Phrase, right: Phrase) -> Phrase:
    """grass | on → on the grass."""
    return Phrase(join(right.head, left.definite, right.after))


def place_in(left: Phrase, right: Phrase) -> Phrase:
    """在 | forest → in the forest."""
    return Phrase(join("in", right.definite))


def place_after(left: Phrase, right: Phrase) -> Phrase:
    """sit | by the sea; look at | in the distance → look in the distance."""
    head = left.head if left.after else left.head.removesuffix(" at")
    return replace(left, head=head).suffix(right.text)


def described_place(left: Phrase, right: Phrase) -> Phrase:
    """yellow | by the wall → by the yellow wall."""
    before, the, after = right.text.partition("the ")
    return Phrase(before + the + join(left.text, after)) if the else Phrase(join(left.text, right.text))


def directed(left: Phrase, right: Phrase) -> Phrase:
    """toward | sky → toward the sky."""
    return Phrase(join(left.head, right.indefinite))


def directed_place(left: Phrase, right: Phrase) -> Phrase:
    """from | in the sea → from the sea."""
    first, _, rest = right.text.partition(" ")
    return Phrase(join(left.head, rest if first in _PREPOSITIONS else right.text))


def owned_place(left: Phrase, right: Phrase) -> Phrase:
    """his | on the face → on his face; girl | on the shoulder → on the girl's shoulder."""
    owner = left.definite + "'s" if left.animate and not left.name else left.text
    return Phrase(right.text.replace(" the ", f" {owner} ", 1))


def in_thing(left: Phrase, right: Phrase) -> Phrase:
    """sky | balloon floating → balloon floating in the sky, where 里 is not said."""
    return right.suffix(place_in(left, left).text)


def material(left: Phrase, right: Phrase) -> Phrase:
    """由 | flower → of flowers."""
    return Phrase(join("of", right.text if right.determiner else right.several().text))


def comparison(left: Phrase, right: Phrase) -> Phrase:
    """house | big → bigger than a house."""
    return Phrase(join(english_adjectives.comparative(right.text), "than", left.indefinite))


def place_after_adjective(left: Phrase, right: Phrase) -> Phrase:
    """like a star | bright → bright like a star."""
    return Phrase(join(right.text, left.text))


def in_background(left: Phrase, right: Phrase) -> Phrase:
    """background is | sea → sea in the background."""
    return right.suffix("in the background")


def agent(left: Phrase, right: Phrase) -> Phrase:
    """被 | snow → by snow."""
    return Phrase(join("by", right.indefinite))
