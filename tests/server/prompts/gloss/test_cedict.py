"""CC-CEDICT: which sense of a word is its English."""

import pytest

from server.prompts.gloss.cedict import Cedict

LINES = """# CC-CEDICT
高 高 [Gao1] /surname Gao/
高 高 [gao1] /high/tall/
拖拉機 拖拉机 [tuo1 la1 ji1] /tractor/CL:臺|台[tai2]/
騎 骑 [qi2] /(Tw) saddle horse/to ride (an animal or bike)/to sit astride/
嬌 娇 [jiao1] /(bound form) lovable/
貓 猫 [mao1] /cat; kitty/
亙 亘 [gen4] /old variant of 亙[gen4]/
吃醋 吃醋 [chi1 cu4] /(coll.) to feel jealous/
草泥馬 草泥马 [cao3 ni2 ma3] /(vulgar) an insult/
修女 修女 [xiu1 nu:3] /nun or sister (of the Catholic church)/
broken line
""".splitlines()


@pytest.fixture(scope="module")
def cedict() -> Cedict:
    return Cedict(LINES)


@pytest.mark.parametrize(
    ("word", "gloss"),
    [
        ("高", "high"),
        ("拖拉机", "tractor"),
        ("骑", "saddle horse"),
        ("娇", "lovable"),
        ("猫", "cat"),
        ("亘", ""),
        ("吃醋", "to feel jealous"),
        ("草泥马", ""),
        ("修女", "nun"),
        ("没", ""),
    ],
)
def test_the_first_sense_that_a_prompt_could_use(cedict: Cedict, word: str, gloss: str) -> None:
    assert cedict.gloss(word) == gloss


def test_traditional_characters(cedict: Cedict) -> None:
    assert {cedict.simplified[left] for left in "機騎貓馬"} == set("机骑猫马")


def test_the_installed_dictionary() -> None:
    cedict = Cedict.load()
    assert cedict is not None
    assert cedict.gloss("显微镜") == "microscope"
    assert "拖拉机" in cedict
