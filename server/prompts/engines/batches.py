"""Puts the clauses of all requests that come at nearly the same time into one batch."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable

from server.prompts.engines.engine import Engine, EngineError

log = logging.getLogger(__name__)
WINDOW_S = 0.005
"""How long a clause waits for others."""
MOST_CLAUSES = 64
"""Of one batch."""
MOST_PENDING = 512
"""Clauses that an engine may have before it. More would come too late for those who wait for them."""
LATE_S = 3.0
"""A batch that takes longer than this hangs, or its engine is much too slow."""


class Batches:
    """Collects clauses for one engine."""

    def __init__(self, engine: Engine, late_s: float = LATE_S) -> None:
        self._engine = engine
        self._late_s = late_s
        self._pending: dict[str, asyncio.Future[str]] = {}
        self._waiting: list[str] = []
        """Those of `_pending` that no batch has yet."""
        self._reported = ""
        self._began_at: dict[asyncio.Task[None], float] = {}

    def begin(self, clauses: Iterable[str]) -> dict[str, asyncio.Future[str]]:
        """The translation of each clause, once there is one. Raises EngineError if the engine is late or full.

        Requests share these futures, so nobody may cancel one.
        """
        now = time.monotonic()
        if any(now - began_at > self._late_s for began_at in self._began_at.values()):
            raise EngineError("its last batch takes too long")
        if len(self._pending) >= MOST_PENDING:
            raise EngineError("too many clauses wait for it")
        return {clause: self._pending.get(clause) or self._add(clause) for clause in clauses}

    def _add(self, clause: str) -> asyncio.Future[str]:
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_later(WINDOW_S, self._send)
        future: asyncio.Future[str] = loop.create_future()
        # Reads the error, for asyncio complains of errors that nobody has read, and a request may wait no longer.
        future.add_done_callback(asyncio.Future.exception)
        self._pending[clause] = future
        self._waiting.append(clause)
        return future

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), MOST_CLAUSES):
            task = asyncio.create_task(self._translate(waiting[start : start + MOST_CLAUSES]))
            self._began_at[task] = time.monotonic()
            task.add_done_callback(self._began_at.pop)

    async def _translate(self, clauses: list[str]) -> None:
        try:
            words = await self._engine.translate(clauses)
            for clause, translation in zip(clauses, words, strict=True):
                self._pending.pop(clause).set_result(translation if isinstance(translation, str) else "")
            self._reported = ""
        except Exception as error:
            self._report(error)
            for clause in clauses:
                if future := self._pending.pop(clause, None):
                    future.set_exception(error)

    def _report(self, error: Exception) -> None:
        """Logs a fault once, until another one comes or the engine works again."""
        # The message of another error may hold words of the prompt.
        reason = str(error) if isinstance(error, EngineError) else type(error).__name__
        if reason != self._reported:
            log.warning("translator %s failed, so the dictionary translates: %s", self._engine.name, reason)
        self._reported = reason
