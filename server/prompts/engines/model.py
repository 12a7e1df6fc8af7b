"""Translates with a model of family `translator`, in a thread of the api process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from models.catalog.entry import ModelEntry
from server.prompts.engines.engine import EngineError
from server.prompts.engines.thread import EngineThread

if TYPE_CHECKING:
    from models.language.translator import Translator


class ModelEngine:
    name = "model"
    languages = frozenset({"zh"})

    def __init__(self, entry: ModelEntry) -> None:
        self.version = entry.version
        self._entry = entry
        self._thread = EngineThread("translator")
        self._translator: Translator | None = None

    async def translate(self, clauses: Sequence[str]) -> list[str]:
        """Raises EngineError."""
        try:
            return await self._thread.run(lambda: self._loaded().translate(clauses))
        except Exception as error:
            raise EngineError(f"{self._entry.name}: {error}") from error

    async def close(self) -> None:
        self._thread.close()

    def _loaded(self) -> Translator:
        if self._translator is None:
            from models.language.translator import load

            self._translator = load(self._entry)
        return self._translator
