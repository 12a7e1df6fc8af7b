from random import Random

import numpy as np
import pytest

from models.toy.drawing import draw, silhouette
from models.toy.things import THINGS
from models.toy.world import (
    BACKGROUNDS,
    COLOURS,
    HELD_OUT,
    NOUNS,
    Scene,
    Thing,
    caption_of,
    chinese_caption_of,
    scene_of,
)


def scene(noun: str = "house", colour: str = "red", background: str = "on the grass", **style: str) -> Scene:
    return Scene([Thing(noun, colour, "", "", 0.5, 0.5, 0.62)], background, style.get("style", "flat"), 1)


def test_every_noun_has_drawing_and_held_out_colour() -> None:
    assert list(THINGS) == list(NOUNS)
    assert sorted(noun for _, noun in HELD_OUT) == sorted(NOUNS)


def test_held_out_pairs_are_never_in_training() -> None:
    random = Random(1)
    assert not any(scene_of(random).pairs & HELD_OUT for _ in range(3000))
    assert all(scene_of(random, held_out=True).pairs <= HELD_OUT for _ in range(300))


def test_same_seed_gives_same_scene() -> None:
    assert [scene_of(Random(3)) for _ in range(2)] == [scene_of(Random(3))] * 2
    assert scene_of(Random(3)) != scene_of(Random(4))


def test_captions_describe_whole_scene() -> None:
    left = Thing("car", "orange", "left", "small", 0.25, 0.5, 0.3)
    right = Thing("cat", "blue", "right", "", 0.75, 0.5, 0.3)
    two = Scene([left, right], "at night", "line", 1)
    assert caption_of(two) == "a small orange car on the left and a blue cat on the right, at night, line drawing"
    assert caption_of(scene("sun", "orange")) == "an orange sun on the grass"
    assert chinese_caption_of(two) == "左边一个小橙色汽车，右边一个蓝色猫，在夜里，线条画"


def test_training_captions_vary_but_keep_nouns() -> None:
    captions = {caption_of(scene(), Random(seed)) for seed in range(60)}
    assert len(captions) > 5
    assert all("house" in caption for caption in captions)


@pytest.mark.parametrize("colour", list(COLOURS))
def test_thing_is_drawn_in_its_colour(colour: str) -> None:
    pixels = np.asarray(draw(scene("star", colour)))
    assert tuple(pixels[64, 64]) == COLOURS[colour][0]


@pytest.mark.parametrize("background", list(BACKGROUNDS))
@pytest.mark.parametrize("style", ["flat", "line"])
def test_things_stay_inside_their_frames(background: str, style: str) -> None:
    for noun in NOUNS:
        one = scene(noun, "blue", background, style=style)
        pixels, shape = np.asarray(draw(one)), np.asarray(silhouette(one))
        assert pixels.shape == (128, 128, 3)
        assert shape.shape == (128, 128)
        assert 0.04 < (shape > 127).mean() < 0.4
        assert not shape[:20].any()
        assert not shape[108:].any()
