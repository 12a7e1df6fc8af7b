"""One thread for an engine whose calls take long; the event loop must not wait for them."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_Job = tuple[Callable[[], object], "asyncio.Future[object]"]


class EngineThread:
    """Runs calls one after another. Unlike a ThreadPoolExecutor's, a call that never returns does not keep the process
    from ending."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._began_at: float | None = None

    def is_stuck(self, limit_s: float) -> bool:
        """Whether one call has taken longer than this already."""
        began_at = self._began_at
        return began_at is not None and time.monotonic() - began_at > limit_s

    async def run(self, work: Callable[[], T]) -> T:
        """The result of a call. If the caller is canceled before the call begins, it never does."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._jobs.put((work, future))  # type: ignore[arg-type]  # Future is invariant
        return await future

    def close(self) -> None:
        """Ends the thread after the calls that wait."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, future = job
            if future.cancelled():
                continue
            self._began_at = time.monotonic()
            try:
                self._tell(future, future.set_result, work())
            except BaseException as error:
                self._tell(future, future.set_exception, error)
            finally:
                self._began_at = None

    @staticmethod
    def _tell(future: asyncio.Future[object], tell: Callable[..., None], value: object) -> None:
        def unless_canceled() -> None:
            if not future.done():
                tell(value)

        future.get_loop().call_soon_threadsafe(unless_canceled)
