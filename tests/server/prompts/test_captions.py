"""The 200 captions of `benchmarks.chinese`, whose author is not that of the lexicon, keep their colour and their thing.

The benchmark paints them. Here only the words are looked at.
"""

import csv
from pathlib import Path

from server.prompts.gloss import Gloss

CAPTIONS = Path(__file__).parents[3] / "benchmarks" / "chinese_captions.tsv"


def test_captions_name_their_colour_and_their_thing() -> None:
    with CAPTIONS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    clauses = [row["caption"].split("，") for row in rows]
    gloss = Gloss.load()
    english = [set(" ".join(gloss.translate(each)).replace(",", " ").split()) for each in clauses]
    colours = sum(row["colour"] in words for row, words in zip(rows, english, strict=True))
    things = sum(bool({row["thing"], f"{row['thing']}s"} & words) for row, words in zip(rows, english, strict=True))
    assert colours >= 0.97 * len(rows)
    assert things >= 0.95 * len(rows)
