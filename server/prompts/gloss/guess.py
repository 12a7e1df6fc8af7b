"""Guesses the part of speech of a word from CC-CEDICT, which names none."""

from __future__ import annotations

import re

from server.prompts.gloss.phrase import Phrase
from server.prompts.gloss.words import Reading, Word

_PLACE = re.compile(r"(in|on|at|by|under|inside|outside|beside|among|along|near|behind) (the )?\w")
_ADJECTIVE = re.compile(
    r".*(ful|ous|ive|less|able|ible|ish|like|esque|ic|al|ant|ent|ary|ed|y-?colored|most)$|(very|extremely|full of) .*"
)
_SHORT_ADJECTIVES = """
    beautiful lovely pretty elegant bright dark deep pale soft hard warm cold hot cool fresh young old new ancient
    modern quiet calm wild clean dirty rich poor thick thin wide narrow long short tall low round square sharp smooth
    rough happy sad angry lonely brave strong weak clever simple pure holy clear dense heavy light vast huge tiny odd
    firm grand fierce sturdy neat sweet bitter sour salty fluffy rugged muddy dusty foggy misty rainy snowy sunny windy
    cloudy stormy icy frosty gloomy lush verdant solid hollow flat steep shallow loose tight bold shy proud humble noble
    loyal wise mad crazy funny silly cruel gentle kind tender mild vivid faint dim dull shiny glossy sparse bare naked
    blind deaf lame drunk sober sleepy tired awake alive dead sick healthy fat slim slender plump blue red green white
    black yellow purple pink brown gray golden silver wooden broken frozen worn torn hidden open closed empty full
"""
_NOT_ADJECTIVES = """
    animal crystal metal festival portal hospital capital mural sandal petal coral plant giant elephant pendant tent
    student continent music fabric magic mechanic bed seed shed weed reed apprentice arsenal jackal terminal journal
    president restaurant merchant servant infant peasant instrument ornament dragon
    garlic duckweed eggplant basement twilight characteristic topic clinic comic republic traffic picnic logic critic
"""
_WITHOUT_PLURAL = (
    "water light hair smoke fog mist snow rain ice fire sand grass rice tea coffee milk wine blood juice sauce oil beer"
    " wheat moss chocolate bread meat beef pork flour sugar salt fur gold silk wool cotton dust air feel"
)
_ADJECTIVES = frozenset(_SHORT_ADJECTIVES.split())
_NOUNS = frozenset(_NOT_ADJECTIVES.split())
_MASS = frozenset(_WITHOUT_PLURAL.split())
_ALIVE = frozenset(
    "人者家师匠员手女男孩神王帝侠兵士童妇娘婆爷仙妖魔后妃猫狗鸟鱼马龙虎熊兔狐狼鹿蛇鹰猴鸡鸭牛羊猪鼠蝶蜂虫"
)

_ABSTRACT = ("ness", "ity", "tion", "ment", "ing", "ship", "ism", "ance", "ence", "ure")


def guess(word: str, gloss: str) -> Word:
    """A word whose only reading is the likeliest."""
    if gloss.startswith("to "):
        return Word(word, (Reading("V", Phrase(gloss.removeprefix("to "))),))
    if _PLACE.match(gloss):
        return Word(word, (Reading("L", Phrase(gloss)),))
    if word.endswith("色") or _is_adjective(gloss):
        return Word(word, (Reading("A", Phrase(gloss)), Reading("N", Phrase(gloss), 0.8)))
    last = gloss.rpartition(" ")[2]
    mass = last in _MASS or last.endswith(_ABSTRACT)
    animate = word[-1] in _ALIVE
    phrase = Phrase(gloss, mass=mass, name=gloss[0].isupper(), animate=animate)
    return Word(word, (Reading("P" if animate else "N", phrase),))


def _is_adjective(gloss: str) -> bool:
    last = gloss.rpartition(" ")[2]
    if last in _ADJECTIVES:
        return " of " not in gloss
    return last not in _NOUNS and not last.endswith("ment") and _ADJECTIVE.match(gloss) is not None
