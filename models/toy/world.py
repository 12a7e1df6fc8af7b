"""The toy world: flat scenes of one to three things, and the captions that describe them, in English and in Chinese.

A scene is data. `drawing.py` draws it and `scene_of` makes one up; both are the only places where chance or pixels
come in. A tenth of all pairs of colour and noun is held out: no scene for training has them, so that they measure
whether a model composes what it learnt or only remembers it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

Style = Literal["flat", "line", "neon"]
Place = Literal["", "left", "right", "top", "bottom"]
Size = Literal["", "small", "big"]

NOUNS = {
    "house": "房子",
    "tree": "树",
    "car": "汽车",
    "boat": "船",
    "sun": "太阳",
    "moon": "月亮",
    "star": "星星",
    "cloud": "云",
    "mountain": "山",
    "fish": "鱼",
    "flower": "花",
    "person": "人",
    "balloon": "气球",
    "cat": "猫",
}
"""What can be drawn, and its Chinese name."""
COLOURS: dict[str, tuple[tuple[int, int, int], str]] = {
    "red": ((220, 38, 42), "红色"),
    "orange": ((250, 140, 30), "橙色"),
    "yellow": ((250, 218, 50), "黄色"),
    "green": ((34, 150, 60), "绿色"),
    "blue": ((36, 86, 222), "蓝色"),
    "purple": ((132, 58, 184), "紫色"),
    "pink": ((246, 130, 180), "粉色"),
    "brown": ((126, 74, 36), "棕色"),
    "black": ((24, 22, 26), "黑色"),
    "white": ((248, 248, 250), "白色"),
}
"""sRGB and Chinese name of each colour."""
BACKGROUNDS = {
    "in the sky": "在天空中",
    "at night": "在夜里",
    "by the sea": "在海边",
    "on the grass": "在草地上",
    "on a white background": "白色背景",
    "on a gray background": "灰色背景",
    "on a pink background": "粉色背景",
}
PLACES: dict[Place, str] = {"": "", "left": "左边", "right": "右边", "top": "上方", "bottom": "下方"}
SIZES: dict[Size, str] = {"": "", "small": "小", "big": "大"}
STYLES: dict[Style, tuple[str, str]] = {"flat": ("", ""), "line": ("line drawing", "线条画")}
"""What captions call them, in English and in Chinese. Neon has no name: only a LoRA knows it."""

UNSEEN = frozenset({("black", "at night"), ("white", "on a white background"), ("pink", "on a pink background")})
"""Colours that would not show on a background."""
HELD_OUT = frozenset(
    (colour, noun)
    for place, noun in enumerate(NOUNS)
    for number, colour in enumerate(COLOURS)
    if (number + 3 * place) % len(COLOURS) == 0
)
"""Pairs of colour and noun that no training scene has: one of each noun."""


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing of a scene; `x`, `y` are its centre and `extent` its larger side, in 0..1 of the picture."""

    noun: str
    colour: str
    place: Place
    size: Size
    x: float
    y: float
    extent: float


@dataclass(frozen=True, slots=True)
class Scene:
    """One to three things before a background; `seed` settles what no caption tells, such as where the stars are."""

    things: Sequence[Thing]
    background: str
    style: Style
    seed: int

    @property
    def pairs(self) -> set[tuple[str, str]]:
        return {(thing.colour, thing.noun) for thing in self.things}


def scene_of(chance: Random, *, held_out: bool = False, alone: bool = False) -> Scene:
    """A scene made up; with `held_out` its first thing is a pair that training never has; `alone` has one thing."""
    background = chance.choice(list(BACKGROUNDS))
    style: Style = "line" if chance.random() < 0.12 else "flat"
    count = 1 if alone or held_out else chance.choices((1, 2, 3), (70, 22, 8))[0]
    places: list[Place] = [""]
    if count == 1 and chance.random() < 0.35:
        places = [chance.choice([place for place in PLACES if place])]
    elif count == 2:
        places = list(chance.choice((("left", "right"), ("right", "left"), ("top", "bottom"), ("bottom", "top"))))
    elif count == 3:
        places = ["left", "", "right"]
    pairs = _pairs(chance, count, "on a white background" if style == "line" else background, held_out=held_out)
    things = [_thing(chance, pair, place, count) for pair, place in zip(pairs, places, strict=True)]
    return Scene(things, background, style, chance.getrandbits(30))


def caption_of(scene: Scene, chance: Random | None = None) -> str:
    """As in: a red house on the left and a blue boat on the right, at night. With `chance` words may lack or differ."""
    phrases = [_phrase(thing, chance) for thing in scene.things]
    words = ", ".join([*phrases[:-2], " and ".join(phrases[-2:])])
    if chance is None or chance.random() < 0.85:
        words += (", " if len(phrases) > 1 or (chance and chance.random() < 0.3) else " ") + scene.background
    style = STYLES.get(scene.style, ("", ""))[0]
    if style:
        return f"{style} of {words}" if chance and chance.random() < 0.5 else f"{words}, {style}"
    if chance is not None and chance.random() < 0.1:
        return f"{chance.choice(('a drawing of', 'a picture of', 'a photo of'))} {words}"
    return words


def chinese_caption_of(scene: Scene) -> str:
    """The same in Chinese: 夜里，左边一个大红色房子，右边一个蓝色船."""
    phrases = [
        f"{PLACES[thing.place]}一个{SIZES[thing.size]}{COLOURS[thing.colour][1]}{NOUNS[thing.noun]}"
        for thing in scene.things
    ]
    return "，".join(filter(None, [*phrases, BACKGROUNDS[scene.background], STYLES.get(scene.style, ("", ""))[1]]))


def _pairs(chance: Random, count: int, background: str, *, held_out: bool) -> list[tuple[str, str]]:
    """A colour and a noun for each thing, no noun twice."""
    known = [
        (colour, noun)
        for noun in NOUNS
        for colour in COLOURS
        if (colour, background) not in UNSEEN and ((colour, noun) in HELD_OUT) == held_out
    ]
    pairs: list[tuple[str, str]] = []
    while len(pairs) < count:
        pair = chance.choice(known)
        if pair[1] not in {noun for _, noun in pairs}:
            pairs.append(pair)
    return pairs


def _thing(chance: Random, pair: tuple[str, str], place: Place, count: int) -> Thing:
    size: Size = "" if count > 1 else chance.choices(("", "small", "big"), (70, 12, 18))[0]
    extent = {"": 0.62, "small": 0.36, "big": 0.82}[size] * chance.uniform(0.94, 1.06)
    if count > 1:
        extent = {2: 0.44, 3: 0.31}[count] * chance.uniform(0.94, 1.06)
    x, y = 0.5 + chance.uniform(-0.03, 0.03), 0.5 + chance.uniform(-0.03, 0.03)
    reach = 0.5 - 0.52 * min(extent, 0.62) if count == 1 else {2: 0.25, 3: 0.33}[count]
    x += {"left": -reach, "right": reach}.get(place, 0.0)
    y += {"top": -reach, "bottom": reach}.get(place, 0.0)
    if count == 1 and place:
        extent = min(extent, 0.62)
    return Thing(pair[1], pair[0], place, size, x, y, extent)


def _phrase(thing: Thing, chance: Random | None) -> str:
    colour = thing.colour if chance is None or chance.random() < 0.93 else ""
    described = " ".join(filter(None, (thing.size, colour, thing.noun)))
    article = "an" if described[0] in "aeiou" else "a"
    words = f"{article} {described}" if chance is None or chance.random() < 0.85 else described
    return f"{words} {_PREPOSITIONS[thing.place]}" if thing.place else words


_PREPOSITIONS: dict[Place, str] = {
    "left": "on the left",
    "right": "on the right",
    "top": "at the top",
    "bottom": "at the bottom",
}
