"""Parses the words of a clause: the cheapest tree that the grammar allows (CKY, bottom up)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from server.prompts.gloss import grammar
from server.prompts.gloss.phrase import Phrase
from server.prompts.gloss.rules import Combine
from server.prompts.gloss.words import Word

MOST_WORDS = 20
"""The cost of a parse grows with the cube of the words; longer clauses are parsed in shorter parts."""
_PART = 10
_RULES = grammar.table()


class Leaf(NamedTuple):
    """A word as one of its categories."""

    cost: float
    phrase: Phrase


class Branch(NamedTuple):
    """Neighbours that a rule joins."""

    cost: float
    combine: Combine
    left: Node
    right: Node


Node = Leaf | Branch
Cell = dict[str, Node]


def parse(words: Sequence[Word]) -> list[tuple[str, Phrase]]:
    """The categories and phrases that the words make up, in order: one if the grammar covers them all."""
    pieces: list[tuple[str, Phrase]] = []
    length = MOST_WORDS if len(words) <= MOST_WORDS else _PART
    for start in range(0, len(words), length):
        pieces += _parse(words[start : start + length])
    return pieces


def _parse(words: Sequence[Word]) -> list[tuple[str, Phrase]]:
    count = len(words)
    chart: list[list[Cell]] = [[{} for _ in range(count + 1)] for _ in range(count)]
    for at, word in enumerate(words):
        chart[at][at + 1] = {
            reading.category: Leaf(reading.cost, reading.phrase)
            for reading in word.readings
            if reading.category != "COLOUR"
        }
    for width in range(2, count + 1):
        for start in range(count - width + 1):
            chart[start][start + width] = _cell(chart, start, start + width)
    return _cover(chart, count)


def _cell(chart: list[list[Cell]], start: int, end: int) -> Cell:
    """All that these words can be together."""
    cell: Cell = {}
    for middle in range(start + 1, end):
        right_cell = chart[middle][end]
        for left_category, left in chart[start][middle].items():
            rules = _RULES.get(left_category)
            if not rules:
                continue
            for right_category, right in right_cell.items():
                for result, cost, cost_per_word, combine in rules.get(right_category, ()):
                    total = cost + cost_per_word * (end - start) + left.cost + right.cost
                    if result not in cell or total < cell[result].cost:
                        cell[result] = Branch(total, combine, left, right)
    return cell


def _cover(chart: list[list[Cell]], count: int) -> list[tuple[str, Phrase]]:
    """The cheapest sequence of nodes that covers all words."""
    best: list[tuple[float, int, str]] = [(0.0, 0, "")]
    for end in range(1, count + 1):
        best.append(min(_last_pieces(chart, best, end)))
    pieces: list[tuple[str, Phrase]] = []
    while count:
        _, start, category = best[count]
        pieces.append((category, _read(chart[start][count][category])))
        count = start
    return pieces[::-1]


def _last_pieces(
    chart: list[list[Cell]], best: list[tuple[float, int, str]], end: int
) -> Iterator[tuple[float, int, str]]:
    """The cost with each node that ends here, where it begins, and its category."""
    for start in range(end):
        for category, node in chart[start][end].items():
            alone = grammar.PIECE + grammar.WHOLE.get(category, grammar.ALONE)
            yield best[start][0] + node.cost + alone, start, category


def _read(node: Node) -> Phrase:
    if isinstance(node, Leaf):
        return node.phrase
    return node.combine(_read(node.left), _read(node.right))
