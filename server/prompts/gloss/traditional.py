"""Traditional spellings become Simplified ones, character by character."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

_ASPECT = re.compile(r"(?<![显名原土论巨遗编])著(?![名作者录述])")
"""著 that marks an aspect (穿著), not the word "work" (名著)."""


class Simplifier:
    """Knows the characters of traditional.txt and those that a dictionary adds."""

    def __init__(self, pairs: Mapping[str, str]) -> None:
        self._table = str.maketrans({**pairs, **own_pairs()})

    def simplify(self, text: str) -> str:
        return _ASPECT.sub("着", text.translate(self._table))


def own_pairs() -> dict[str, str]:
    """The Simplified character of each Traditional one in traditional.txt."""
    lines = files(__package__).joinpath("traditional.txt").read_text("utf-8").splitlines()
    return {pair[0]: pair[1] for line in lines if not line.startswith("#") for pair in line.split()}
