"""Draws the toy world with Pillow, at four times the size and then smaller, which smooths all edges."""

from __future__ import annotations

from random import Random

from PIL import Image, ImageDraw

from models.toy.pen import STROKE, Colour, Pen
from models.toy.things import THINGS
from models.toy.world import Scene

FINER = 4
HORIZON = 0.62
SKY, PAPER, DARKNESS = (150, 205, 250), (255, 255, 255), (20, 16, 30)
NIGHT, SEA, GRASS = (22, 26, 74), (44, 110, 184), (108, 192, 84)
PLAIN = {
    "on a white background": PAPER,
    "on a gray background": (150, 150, 152),
    "on a pink background": (246, 198, 214),
}
FAINT = (170, 172, 180)
"""What the ground of a line drawing is stroked with."""


def draw(scene: Scene, size: int = 128) -> Image.Image:
    """The scene as an RGB picture of `size`×`size` pixels."""
    fine, line = size * FINER, scene.style != "flat"
    picture = Image.new("RGB", (fine, fine), DARKNESS if scene.style == "neon" else PAPER)
    canvas = ImageDraw.Draw(picture)
    (_ground_lines if line else _ground)(canvas, scene, fine)
    for thing in scene.things:
        THINGS[thing.noun](Pen(canvas, thing, fine, line=line))
    return picture.resize((size, size), Image.Resampling.BOX)


def silhouette(scene: Scene, size: int = 128) -> Image.Image:
    """Where the scene's things are: white on black, mode L, `size`×`size` pixels."""
    fine = size * FINER
    picture = Image.new("RGB", (fine, fine))
    canvas = ImageDraw.Draw(picture)
    for thing in scene.things:
        THINGS[thing.noun](Pen(canvas, thing, fine, ink=PAPER))
    return picture.resize((size, size), Image.Resampling.BOX).convert("L")


def _ground(canvas: ImageDraw.ImageDraw, scene: Scene, fine: int) -> None:
    whole, below = (0, 0, fine, fine), (0, round(HORIZON * fine), fine, fine)
    if scene.background == "at night":
        canvas.rectangle(whole, fill=NIGHT)
        _stars(canvas, Random(scene.seed), fine)
        return
    canvas.rectangle(whole, fill=PLAIN.get(scene.background, SKY))
    lower: dict[str, Colour] = {"by the sea": SEA, "on the grass": GRASS}
    if scene.background in lower:
        canvas.rectangle(below, fill=lower[scene.background])


def _stars(canvas: ImageDraw.ImageDraw, chance: Random, fine: int) -> None:
    for _ in range(9):
        x, y, radius = chance.random() * fine, chance.random() * fine, 0.009 * fine
        canvas.ellipse((x - radius, y - radius, x + radius, y + radius), fill=PAPER)


def _ground_lines(canvas: ImageDraw.ImageDraw, scene: Scene, fine: int) -> None:
    """Only a horizon, where there is one: a line drawing is on paper."""
    if scene.background in ("by the sea", "on the grass"):
        height = round(HORIZON * fine)
        canvas.line((0, height, fine, height), fill=FAINT, width=round(STROKE * fine))
