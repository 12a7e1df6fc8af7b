"""Numbers and measure words."""

import pytest

from server.prompts.gloss import Gloss
from server.prompts.gloss.quantities import value_of


@pytest.mark.parametrize(
    ("numeral", "value"),
    [
        ("三", 3),
        ("十", 10),
        ("十二", 12),
        ("三十六", 36),
        ("一百零五", 105),
        ("两千", 2000),
        ("一九八四", 1984),
        ("三万五千", 35000),
    ],
)
def test_value_of(numeral: str, value: int) -> None:
    assert value_of(numeral) == value


@pytest.mark.parametrize(
    ("prompt", "english"),
    [
        ("一只白猫", "a white cat"),
        ("两个女孩", "two girls"),
        ("三朵红花", "three red flowers"),
        ("一杯咖啡", "a cup of coffee"),
        ("两杯茶", "two cups of tea"),
        ("一群孩子", "a group of children"),
        ("一双眼睛", "a pair of eyes"),
        ("一大片花海", "a sea of flowers"),
        ("几只羊", "several sheep"),
        ("许多树", "many trees"),
        ("这只猫", "this cat"),
        ("12只鸟", "twelve birds"),
        ("三岁的孩子", "three-year-old child"),
        ("1980年代的汽车", "1980s car"),
        ("一头长发", "long hair"),
        ("一扇门", "a door"),
        ("房子的门", "house door"),
    ],
)
def test_quantities(gloss: Gloss, prompt: str, english: str) -> None:
    assert gloss.translate([prompt]) == [english]
