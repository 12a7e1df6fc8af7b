"""The lexicon file: every line can be used, and no word is there twice."""

from collections import Counter
from importlib.resources import files

from server.prompts.gloss.grammar import WHOLE, table
from server.prompts.gloss.lexicon import read_lexicon
from server.prompts.gloss.traditional import Simplifier

LINES = files("server.prompts.gloss").joinpath("lexicon.tsv").read_text("utf-8").splitlines()
ROWS = [line.split("\t") for line in LINES if line and not line.startswith("#")]
WITHOUT_RULES = {"M", "NUM", "DET", "ASP", "X", "COLOUR"}


def test_each_line_has_three_columns() -> None:
    assert not [row for row in ROWS if len(row) != 3]


def test_no_word_is_there_twice() -> None:
    counts = Counter((spelling, row[2]) for row in ROWS for spelling in row[0].split())
    assert not [word for word, count in counts.items() if count > 1]
    assert len(counts) >= 4_000


def test_the_grammar_knows_every_category() -> None:
    rules = table()
    known = {*rules, *(right for by_right in rules.values() for right in by_right), *WHOLE, *WITHOUT_RULES}
    categories = {category for word in read_lexicon().values() for category in word.categories}
    assert categories <= known


def test_words_are_simplified() -> None:
    simplify = Simplifier({}).simplify
    assert not [word for word in read_lexicon() if simplify(word) != word]


def test_readings() -> None:
    lexicon = read_lexicon()
    dress = lexicon["裙子"].readings[0]
    assert (dress.category, dress.phrase.text) == ("B", "dress")
    hair = lexicon["长发"].readings[0].phrase
    assert (hair.before, hair.head, hair.mass) == ("long", "hair", True)
    assert lexicon["红色"].categories == {"A", "N", "COLOUR"}
