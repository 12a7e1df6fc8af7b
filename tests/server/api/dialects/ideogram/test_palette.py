import json

import pytest
from pydantic import ValidationError

from server.api.dialects.ideogram.palette import Palette
from server.api.dialects.ideogram.styles import PALETTES

OFFICIAL = [("#b470b3", 0.49), ("#7a79e3", 0.16), ("#a26563", 0.1), ("#5c7d76", 0.07), ("#642a9c", 0.05)]


def of_colours(*colours):
    names = ("color_hex", "color_weight")
    return {"members": [dict(zip(names, colour, strict=False)) for colour in colours]}


@pytest.mark.parametrize("name", PALETTES)
def test_palette_of_a_name_is_words(name):
    assert Palette.model_validate({"name": name}).words == PALETTES[name]


def test_colours_become_words_and_not_numbers():
    palette = Palette.model_validate(of_colours(*OFFICIAL))
    assert palette.words == "palette of orchid, periwinkle, reddish brown, grey green, purple"


@pytest.mark.parametrize(
    ("colours", "words"),
    [
        ([("#fffdd0", 0.2), ("#8B0000", 0.7)], "dark red, cream"),
        ([("#fffdd0",), ("#8B0000",)], "cream, dark red"),
        ([("#fffdd0",), ("#8B0000", 0.9)], "dark red, cream"),
        ([("#00f", 0.3), ("#f00", 0.25), ("#fe0000", 0.25)], "red, blue"),
    ],
)
def test_heavier_colours_come_first(colours, words):
    assert Palette.model_validate(of_colours(*colours)).words == f"palette of {words}"


def test_palette_of_a_form_is_json():
    assert Palette.model_validate(json.dumps({"name": "EMBER"})).words == PALETTES["EMBER"]


@pytest.mark.parametrize(
    ("palette", "words"),
    [
        ({}, "either the name"),
        ({"name": "EMBER", **of_colours(("#000",))}, "either the name"),
        ({"members": []}, "either the name"),
        ({"name": "MUD"}, "EMBER"),
        ("{", "JSON"),
        ("[]", "valid dictionary"),
        (of_colours(*[("#000",)] * 9), "8"),
        (of_colours(("#000", 0.04)), "0.05"),
        (of_colours(("#000", 1.5)), "1"),
        (of_colours(("#00",)), "hexadecimal"),
        (of_colours(("#00000000",)), "hexadecimal"),
        (of_colours(("000000",)), "hexadecimal"),
        (of_colours(("red",)), "hexadecimal"),
        (of_colours(("#00000g\n",)), "hexadecimal"),
        ({"members": [{"color_weight": 1}]}, "color_hex"),
    ],
)
def test_wrong_palette_is_refused(palette, words):
    with pytest.raises(ValidationError, match=words):
        Palette.model_validate(palette)
