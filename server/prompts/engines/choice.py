"""Which engine HUA_TRANSLATOR means, as the models folder is now."""

from __future__ import annotations

import asyncio
from typing import Protocol

from models.catalog.catalog import Catalog, UnknownModelError
from models.catalog.entry import ModelEntry
from models.kinds import families_of
from models.kinds.translator import TRANSLATOR
from server.llm import LLM
from server.prompts.engines.engine import Engine
from server.prompts.engines.llm import LLMEngine
from server.prompts.engines.model import ModelEngine
from server.settings import Settings, SettingsError


class Models(Protocol):
    @property
    def current(self) -> Catalog:
        """The models as they are now."""


def check_translator(settings: Settings, models: Catalog) -> None:
    """Raises SettingsError if HUA_TRANSLATOR names an engine that is not there."""
    choice = settings.translator
    if choice == "llm" and not settings.llm_url:
        raise SettingsError("HUA_TRANSLATOR=llm needs a language model; set HUA_LLM_URL, or choose another translator")
    if choice not in ("auto", "off", "gloss", "llm") and _named(models, choice) is None:
        names = [entry.name for entry in _translators(models)]
        raise SettingsError(
            f"HUA_TRANSLATOR={choice}: there is no model of family translator with this name; "
            f"{'there are ' + ', '.join(names) if names else 'there is none, see docs/prompts.md'}"
        )


class EngineChoice:
    """The engine to ask first; None for the dictionary alone. A new model takes the place of an old one."""

    def __init__(self, settings: Settings, models: Models, llm: LLM) -> None:
        self._choice = settings.translator
        self._models = models
        self._llm = llm
        self._engine: Engine | None = None
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def current(self) -> Engine | None:
        if self._choice in ("off", "gloss"):
            return None
        if self._choice == "llm":
            self._engine = self._engine or LLMEngine(self._llm)
            return self._engine
        entry = self._entry()
        if (self._engine.version if self._engine else None) != (entry.version if entry else None):
            if self._engine is not None:
                closing = asyncio.ensure_future(self._engine.close())
                self._closing.add(closing)
                closing.add_done_callback(self._closing.discard)
            self._engine = ModelEngine(entry) if entry else None
        return self._engine

    async def close(self) -> None:
        if self._engine is not None:
            await self._engine.close()

    def _entry(self) -> ModelEntry | None:
        models = self._models.current
        if self._choice == "auto":
            return next(iter(_translators(models)), None)
        return _named(models, self._choice)


def _translators(models: Catalog) -> list[ModelEntry]:
    return [entry for entry in models.entries if entry.family in families_of(TRANSLATOR)]


def _named(models: Catalog, name: str) -> ModelEntry | None:
    try:
        entry = models.find(name)
    except UnknownModelError:
        return None
    return entry if entry in _translators(models) else None
