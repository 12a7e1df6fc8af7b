"""Puts the clauses of all requests that come at nearly the same time into one batch."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

from server.prompts.engines.engine import Engine, EngineError

log = logging.getLogger(__name__)
WINDOW_S = 0.005
"""How long a clause waits for others."""
MOST_CLAUSES = 64
"""Of one batch."""
MOST_PENDING = 512
"""Clauses that an engine may have before it. More would come too late for those who wait for them."""


class Batches:
    """Collects clauses for one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pending: dict[str, asyncio.Future[str]] = {}
        self._waiting: list[str] = []
        """Those of `_pending` that no batch has yet."""
        self._late: list[asyncio.Future[str]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._reported = ""

    def begin(self, clauses: Iterable[str]) -> dict[str, asyncio.Future[str]]:
        """The translation of each clause, once there is one. Raises EngineError if the engine is late or full.

        Requests share these futures, so no request may cancel one.
        """
        if any(not future.done() for future in self._late):
            raise EngineError("its last batch takes too long")
        if len(self._pending) >= MOST_PENDING:
            raise EngineError("too many clauses wait for it")
        return {clause: self._pending.get(clause) or self._add(clause) for clause in clauses}

    def give_up(self, futures: Iterable[asyncio.Future[str]]) -> None:
        """No request waits for these any longer. Until they are done, the engine gets no more clauses."""
        self._late = [future for future in (*self._late, *futures) if not future.done()]

    async def close(self) -> None:
        """Ends the batches that run."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _add(self, clause: str) -> asyncio.Future[str]:
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_later(WINDOW_S, self._send)
        future: asyncio.Future[str] = loop.create_future()
        # Reads the error, because asyncio logs errors that are never read, and the request may be gone.
        future.add_done_callback(asyncio.Future.exception)
        self._pending[clause] = future
        self._waiting.append(clause)
        return future

    def _send(self) -> None:
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), MOST_CLAUSES):
            task = asyncio.create_task(self._translate(waiting[start : start + MOST_CLAUSES]))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

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
