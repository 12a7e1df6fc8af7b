"""The grammar of prompts: its rules by the categories of two neighbours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from server.prompts.gloss.combine import joining, nouns
from server.prompts.gloss.rules import NOUNS, PLACES, RULES, VERBS, Combine


class Rule(NamedTuple):
    result: str
    cost: float
    cost_per_word: float
    combine: Combine


_PER_WORD: dict[Combine, float] = {
    nouns.compound: 0.03,
    joining.joined: 0.01,
    nouns.adjective: 0.003,
    nouns.quantity: -0.003,
}
"""What each word costs. Rules that bind closely join the nearest two first; a quantity counts all that follows it."""
WHOLE = {
    "N": 0.0, "P": 0.0, "B": 0.0, "S": 0.0, "SA": 0.1, "VP": 0.1, "V": 0.3, "VE": 0.4, "A": 0.3,
    "L": 0.3, "LZ": 0.3, "LP": 0.25, "X+": 0.3, "ADV": 0.5, "D": 0.8,
    "Ny": 0.2, "Py": 0.2, "By": 0.2, "Nn": 0.1, "Pn": 0.1, "Bn": 0.1,
}  # fmt: skip
"""What may stand alone, and at what cost; anything else costs ALONE."""
ALONE = 1.5
PIECE = 1.5
"""What each piece costs of a clause that no rule joins."""


def table() -> dict[str, dict[str, tuple[Rule, ...]]]:
    """The rules of each pair of categories, left first."""
    rules: dict[str, dict[str, tuple[Rule, ...]]] = defaultdict(dict)
    for first, second, both, cost, function in RULES:
        for left, right, result in _expand(first, second, both):
            rule = Rule(result, cost, _PER_WORD.get(function, 0.0), function)
            rules[left][right] = (*rules[left].get(right, ()), rule)
    return dict(rules)


def _expand(left: str, right: str, result: str) -> Iterator[tuple[str, str, str]]:
    """A rule for each noun and verb that its signs stand for."""
    names = (left, right, result)
    for sign, categories in (("@", NOUNS), ("#", NOUNS), ("!!", VERBS), ("!", VERBS), ("~", PLACES)):
        if any(sign in name for name in names):
            for category in categories:
                yield from _expand(*(name.replace(sign, category) for name in names))
            return
    yield names
