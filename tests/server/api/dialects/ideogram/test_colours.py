import pytest

from server.api.dialects.ideogram.colours import colour_word

COLOURS = {
    "#000": "black",
    "#fff": "white",
    "#696969": "dark grey",
    "#808080": "grey",
    "#C0C0C0": "light grey",
    "#8b0000": "dark red",
    "#800000": "dark red",
    "#f00": "red",
    "#fffdd0": "cream",
    "#f5f5dc": "beige",
    "#d2b48c": "tan",
    "#8b4513": "brown",
    "#ff7f50": "coral",
    "#fa8072": "salmon",
    "#ffa500": "orange",
    "#ffd700": "gold",
    "#ffff00": "yellow",
    "#808000": "olive green",
    "#008000": "green",
    "#006400": "dark green",
    "#90ee90": "light green",
    "#2e8b57": "sea green",
    "#008080": "teal",
    "#40e0d0": "turquoise",
    "#00ffff": "cyan",
    "#add8e6": "light blue",
    "#4682b4": "steel blue",
    "#0000ff": "blue",
    "#001f3f": "navy blue",
    "#4b0082": "indigo",
    "#800080": "purple",
    "#da70d6": "orchid",
    "#e6e6fa": "lavender",
    "#ff00ff": "magenta",
    "#ffc0cb": "light pink",
    "#642a9c": "purple",
}


@pytest.mark.parametrize(("code", "word"), COLOURS.items())
def test_colour_has_the_word_that_people_use(code, word):
    assert colour_word(code) == word


@pytest.mark.parametrize(("code", "word"), [("#790404", "dark red"), ("#7a7a79", "grey"), ("#f6efc2", "cream")])
def test_colour_between_those_of_the_table_has_the_word_of_the_nearest(code, word):
    assert colour_word(code) == colour_word(code.upper()) == word
