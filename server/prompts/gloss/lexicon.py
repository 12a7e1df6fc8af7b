"""The lexicon of prompts: lexicon.tsv, read to words."""

from __future__ import annotations

from importlib.resources import files

from server.prompts.gloss.phrase import Phrase
from server.prompts.gloss.words import Reading, Word

_CLASSES: dict[str, tuple[tuple[str, float], ...]] = {
    "n": (("N", 0.0),),
    "u": (("N", 0.0),),
    "name": (("N", 0.0),),
    "p": (("P", 0.0),),
    "artist": (("P", 0.0),),
    "b": (("B", 0.0),),
    "bu": (("B", 0.0),),
    "a": (("A", 0.0),),
    "c": (("A", 0.0), ("N", 0.8), ("COLOUR", 9.0)),
    "v": (("V", 0.0),),
    "vf": (("V", 0.0),),
    "t": (("N", 0.4),),
    "nv": (("N", 0.3),),
    "vw": (("V", 0.0), ("W", 0.0)),
    "vt": (("V", 0.0),),
    "ve": (("VE", 0.0),),
    "l": (("LOC", 0.0),),
    "style": (("STYLE", 0.0),),
    "pl": (("L", 0.0),),
    "d": (("ADV", 0.0),),
    "q": (("M", 0.0),),
    "num": (("NUM", 0.0),),
    "prep": (("PREP", 0.0),),
    "with": (("PREP", 0.4),),
    "conj": (("C", 0.0),),
    "poss": (("POSS", 0.0),),
    "det": (("DET", 0.0),),
    "dets": (("DET", 0.0),),
    "pron": (("P", 0.0),),
}
"""What the classes of the file are in the grammar, and at what cost. A class in capitals is a category itself."""
_MASS = ("u", "bu", "c")
_NAMES = ("name", "artist", "pron")
_SIZED = ("b", "bu")
_SIZES = ("long ", "short ", "big ")
"""Apart from their noun, so that a colour can follow them: long black hair."""
_ANIMATE = ("p", "artist", "pron")
_FIXED = ("vf", "ve")


def read_lexicon() -> dict[str, Word]:
    """Words by their Simplified spelling."""
    readings: dict[str, tuple[Reading, ...]] = {}
    for line in files(__package__).joinpath("lexicon.tsv").read_text("utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        spellings, english, word_class = line.split("\t")
        for spelling in spellings.split():
            readings[spelling] = (*readings.get(spelling, ()), *_readings(english, word_class))
    return {spelling: Word(spelling, several) for spelling, several in readings.items()}


def _readings(english: str, word_class: str) -> tuple[Reading, ...]:
    phrase = _phrase(english, word_class)
    categories = _CLASSES.get(word_class, ((word_class, 0.0),))
    return tuple(Reading(category, phrase, cost) for category, cost in categories)


def _phrase(english: str, word_class: str) -> Phrase:
    if word_class in ("det", "dets"):
        return Phrase("", determiner=english, many=word_class == "dets")
    words, _, after = english.strip().partition("*")
    determiner, words = ("a", words.partition(" ")[2]) if words.startswith(("a ", "an ")) else ("", words)
    size, head = words.split(" ", 1) if word_class in _SIZED and words.startswith(_SIZES) else ("", words)
    return Phrase(
        head,
        before=size,
        after=after,
        determiner=determiner,
        mass=word_class in _MASS,
        name=word_class in _NAMES,
        colour=word_class == "c",
        animate=word_class in _ANIMATE,
        fixed=word_class in _FIXED,
        transitive=word_class == "vt",
    )
