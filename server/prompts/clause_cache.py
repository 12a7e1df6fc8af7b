"""The translations of clauses that come again and again."""

from __future__ import annotations

from collections import OrderedDict

MOST_CLAUSES = 20_000


class ClauseCache:
    """Keeps the clauses that were used last. Nothing is shared with other processes, or outlives this one."""

    def __init__(self, most: int = MOST_CLAUSES) -> None:
        self._most = most
        self._words: OrderedDict[tuple[str, str], str] = OrderedDict()

    def get(self, version: str, clause: str) -> str | None:
        """The translation by the engine of this version."""
        key = version, clause
        if key in self._words:
            self._words.move_to_end(key)
        return self._words.get(key)

    def put(self, version: str, clause: str, words: str) -> None:
        self._words[version, clause] = words
        self._words.move_to_end((version, clause))
        if len(self._words) > self._most:
            self._words.popitem(last=False)
