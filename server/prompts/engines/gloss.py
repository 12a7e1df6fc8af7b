"""The dictionary. It needs neither a model nor another server, so all other engines fall back to it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from typing import Protocol

from server.observability.metrics import TRANSLATIONS
from server.prompts.engines.thread import EngineThread
from server.prompts.guards import clean, is_english

log = logging.getLogger(__name__)
NAME = "gloss"
CACHED = 20_000
"""Clauses whose translation is kept."""
_SLICE = 32
"""Clauses that are translated before those of another request have their turn."""
_LONGEST = 100
"""Characters of a piece. A longer clause is no phrase, and its grammar would take too long."""
_PARTICLES = frozenset("的地得了着过之啊呀呢吧吗嘛哦")
"""Clauses of these alone have no English word."""


class Dictionary(Protocol):
    """What every gloss does."""

    def translate(self, clauses: Sequence[str]) -> list[str]:
        """English words for each clause."""
        ...


class GlossEngine:
    """Translates in one thread, which also loads the dictionary at the first use."""

    def __init__(self, load: Callable[[], Dictionary]) -> None:
        self._load = load
        self._thread = EngineThread("gloss")
        self._translate_cached: Callable[[str], str | None] | None = None

    async def translate(self, clauses: Sequence[str]) -> dict[str, str]:
        """Translations by clause. Those that hold no word which the dictionary knows are left out."""
        pieces = {clause: _cut(clause) for clause in clauses}
        words = await self._words_of(list(dict.fromkeys(piece for cut in pieces.values() for piece in cut)))
        known = {
            clause: " ".join(filter(None, (words[piece] for piece in cut)))
            for clause, cut in pieces.items()
            if all(piece in words for piece in cut)
        }
        TRANSLATIONS.labels(NAME, "ok").inc(len(known))
        TRANSLATIONS.labels(NAME, "unknown").inc(len(clauses) - len(known))
        return known

    async def close(self) -> None:
        self._thread.close()

    async def _words_of(self, pieces: Sequence[str]) -> dict[str, str]:
        """Translations by piece, without those of pieces that the dictionary does not know."""
        found: dict[str, str] = {}
        for start in range(0, len(pieces), _SLICE):
            try:
                words = await self._thread.run(partial(self._translate_all, pieces[start : start + _SLICE]))
            except Exception as error:
                # The traceback of the thread could hold the prompt.
                log.error("the dictionary failed: %s", type(error).__name__)
                break
            found |= words
        return found

    def _translate_all(self, pieces: Sequence[str]) -> dict[str, str]:
        words = ((piece, self._translate(piece)) for piece in pieces)
        return {piece: known for piece, known in words if known is not None}

    def _translate(self, clause: str) -> str | None:
        if self._translate_cached is None:
            dictionary = self._load()

            @lru_cache(CACHED)
            def translate(clause: str) -> str | None:
                if set(clause) <= _PARTICLES:
                    return ""
                words = clean(dictionary.translate([clause])[0])
                return words if is_english(words) else None

            self._translate_cached = translate
        return self._translate_cached(clause)


def _cut(clause: str) -> list[str]:
    return [clause[start : start + _LONGEST] for start in range(0, len(clause), _LONGEST)]
