"""What can translate clauses into English."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class EngineError(Exception):
    """An engine cannot translate now."""


class Engine(Protocol):
    """Translates clauses. What it answers is checked, and may be anything."""

    name: str
    """Its label in metrics: `model` or `llm`."""
    version: str
    """Another one, if its translations may be others."""
    languages: frozenset[str]
    """Those that it can read: `zh`, `ja`, `ko`."""

    async def translate(self, clauses: Sequence[str]) -> Sequence[str]:
        """One translation for each of at most `MOST_CLAUSES` clauses, in this order. Raises EngineError."""
        ...

    async def close(self) -> None:
        """Ends what it has open."""
        ...
