"""Makes English of the words of prompts that English models cannot read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from server.llm import LLM
from server.observability.metrics import TRANSLATIONS
from server.prompts.clause_cache import ClauseCache
from server.prompts.engines.batches import Batches
from server.prompts.engines.choice import EngineChoice, Models
from server.prompts.engines.engine import Engine, EngineError
from server.prompts.engines.gloss import Dictionary, GlossEngine
from server.prompts.folding import fold
from server.prompts.grammar import Piece, foreign_words, language_of, split, with_own_possessive
from server.prompts.guards import clean, is_babble, without_capital
from server.prompts.joining import fitting, join
from server.settings import Settings

T = TypeVar("T")
MAX_PROMPT = 20_000
"""Characters that a prompt may have, with its translations."""
LATE_S = 3.0
"""A prompt waits no longer for an engine."""
MOST_BY_ENGINE = 200
"""Clauses of one prompt that go to an engine; the others are looked up in the dictionary."""
LONGEST_CLAUSE = 200
"""Characters of a clause that goes to an engine. A model would cut a longer one."""
LONG = 1000
"""Longer prompts are read and written in a thread, because the event loop would wait too long."""
MOST_READ = 10_000
"""Characters of one translation that are looked at; no clause has so many."""
LANGUAGES = {"zh": "Chinese", "ja": "Japanese", "ko": "Korean"}


@dataclass(frozen=True, slots=True)
class Translation:
    """A prompt for a model that reads English."""

    text: str
    untranslated: str = ""
    """Words that stay in another language, the first of them; empty if all are English."""
    language: str = "en"
    """Of the prompt as it was sent: `en`, `zh`, `ja` or `ko`."""
    left_out: int = 0
    """Clauses at the end of a long prompt whose English is not in it."""


class Translator:
    """Translates prompts with the engine that the operator chose, and what it fails at with the dictionary.

    An English prompt stays as it is. Nothing here blocks the event loop, and nothing refuses a prompt.
    """

    def __init__(
        self,
        settings: Settings,
        models: Models,
        llm: LLM,
        load_dictionary: Callable[[], Dictionary],
        late_s: float = LATE_S,
    ) -> None:
        self._late_s = late_s
        self.is_off = settings.translator == "off"
        self._choice = EngineChoice(settings, models, llm)
        self._dictionary = GlossEngine(load_dictionary)
        self._cache = ClauseCache()
        self._batches: tuple[Engine, Batches] | None = None

    async def fold(self, prompt: str) -> str:
        """The prompt with ASCII punctuation, if it is one that would be translated."""
        if prompt.isascii() or not self._reads(language_of(prompt)):
            return prompt
        return await _aside(prompt, lambda: fold(prompt))

    async def translate(self, prompt: str, names: Sequence[str] = (), limit: int = MAX_PROMPT) -> Translation:
        """The prompt in English. `names` are whole words that stay as they are, such as those of embeddings.

        Clauses whose English would make it longer than `limit` characters are left out.
        """
        if prompt.isascii():
            return Translation(prompt)
        language = language_of(prompt)
        if not self._reads(language):
            return Translation(prompt, foreign_words(prompt), language)
        pieces = await _aside(prompt, lambda: _pieces(prompt, language, tuple(names)))
        clauses = list(dict.fromkeys(piece.text.strip() for piece in pieces if piece.foreign))
        translated = await self._translated(clauses, language)
        words, left_out = await _aside(prompt, lambda: fitting(pieces, translated, limit))
        text = await _aside(prompt, lambda: join(pieces, words))
        unknown = next((clause for clause in clauses if clause not in translated), "")
        return Translation(text, foreign_words(unknown), language, left_out)

    async def close(self) -> None:
        if self._batches is not None:
            await self._batches[1].close()
        await self._choice.close()
        await self._dictionary.close()

    def _reads(self, language: str) -> bool:
        """Whether prompts in this language are changed at all."""
        if self.is_off:
            return False
        engine = self._choice.current
        return language in ("en", "zh") or (engine is not None and language in engine.languages)

    async def _translated(self, clauses: Sequence[str], language: str) -> dict[str, str]:
        """Translations by clause. Those that no engine can translate are left out."""
        engine = self._choice.current
        short = [clause for clause in clauses[:MOST_BY_ENGINE] if len(clause) <= LONGEST_CLAUSE]
        found = await self._by_engine(engine, short) if engine is not None else {}
        left = [clause for clause in clauses if clause not in found]
        return found | (await self._dictionary.translate(left) if left and language == "zh" else {})

    async def _by_engine(self, engine: Engine, clauses: Sequence[str]) -> dict[str, str]:
        cached = ((clause, self._cache.get(engine.version, clause)) for clause in clauses)
        found = {clause: words for clause, words in cached if words is not None}
        TRANSLATIONS.labels(engine.name, "cached").inc(len(found))
        missing = [clause for clause in clauses if clause not in found]
        if not missing:
            return found
        batches = self._batches_of(engine)
        try:
            futures = batches.begin(missing)
        except EngineError:
            TRANSLATIONS.labels(engine.name, "busy").inc(len(missing))
            return found
        await asyncio.wait(futures.values(), timeout=self._late_s)
        batches.give_up(futures.values())
        for clause, future in futures.items():
            result, words = _checked(clause, future)
            TRANSLATIONS.labels(engine.name, result).inc()
            if result == "ok":
                found[clause] = words
                self._cache.put(engine.version, clause, words)
        return found

    def _batches_of(self, engine: Engine) -> Batches:
        if self._batches is None or self._batches[0] is not engine:
            self._batches = engine, Batches(engine)
        return self._batches[1]


def _checked(clause: str, future: asyncio.Future[str]) -> tuple[str, str]:
    """What became of a clause, and its translation if that is "ok"."""
    if not future.done():
        return "late", ""
    if future.exception() is not None:
        return "failed", ""
    words = clean(future.result()[: MOST_READ + 1])
    return ("babble", "") if is_babble(clause, words) else ("ok", without_capital(clause, words))


def _pieces(prompt: str, language: str, names: tuple[str, ...]) -> list[Piece]:
    folded = fold(prompt)
    return split(with_own_possessive(folded) if language == "zh" else folded, names)


async def _aside(prompt: str, work: Callable[[], T]) -> T:
    return await asyncio.to_thread(work) if len(prompt) > LONG else work()
