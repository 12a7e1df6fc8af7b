"""The broker of a single machine: all logs in one SQLite file."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from server.broker import BrokerUnavailableError, Position
from server.broker.record_codec import parse_record
from server.broker.sqlite.log_file import OUTCOMES, POISON, TASKS, USAGE, Append, Commit, LogFile
from server.observability import metrics
from server.task import Outcome, Task
from server.tenancy.usage import Usage

log = logging.getLogger(__name__)
M = TypeVar("M", bound=BaseModel)
T = TypeVar("T")

PARTITION = 0
POLL_S = 0.2
"""How often records of other processes are looked for. Records of this process are noticed at once."""
LOCK_TIMEOUT_S = 5.0
PAGE = 256
PRUNE_EVERY_S = 600.0
WAIT_ADVICE = (
    "check that the disk has room, that the file is writable and that no other program locks it, then try again"
)
DAMAGED_ADVICE = "restore it from a backup, or move it away, so that new logs begin without its unfinished tasks"


class SQLiteBroker:
    """Entries that wait while others are written go to the disk together, with one flush.

    lock_timeout_s: seconds to wait for a file that another process has locked.
    """

    def __init__(self, path: Path, lock_timeout_s: float = LOCK_TIMEOUT_S) -> None:
        self._path = path
        with self._as_unavailable():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer, self._reader = LogFile(path, lock_timeout_s), LogFile(path, lock_timeout_s)
            self._writer.prune()
        self._pruned_at = time.monotonic()
        self._writer_thread = ThreadPoolExecutor(1, "broker-writes")
        self._reader_thread = ThreadPoolExecutor(1, "broker-reads")
        self._waiting: list[tuple[Append | Commit, asyncio.Future[None]]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._new_records = {name: asyncio.Event() for name in (TASKS, OUTCOMES, USAGE, POISON)}

    async def publish_task(self, task: Task) -> None:
        await self._publish(TASKS, task.id, task)

    async def publish_outcome(self, outcome: Outcome) -> None:
        await self._publish(OUTCOMES, outcome.task.id, outcome)

    async def publish_usage(self, usage: Usage) -> None:
        await self._publish(USAGE, usage.task, usage)

    async def publish_poison(self, outcome: Outcome) -> None:
        await self._publish(POISON, outcome.task.id, outcome)

    async def check(self) -> None:
        await self._call(self._writer_thread, self._writer.check)

    def tasks(self) -> AsyncIterator[tuple[Position, Task | None]]:
        return self._records(TASKS, Task)

    def outcomes(self) -> AsyncIterator[tuple[Position, Outcome | None]]:
        return self._records(OUTCOMES, Outcome)

    async def past_outcomes(self) -> AsyncGenerator[Outcome]:
        async with aclosing(self._records(OUTCOMES, Outcome, after=0)) as records:
            async for _, outcome in records:
                if outcome is None:
                    return
                yield outcome

    async def log_id(self) -> str:
        return self._reader.id

    async def commit_tasks(self, position: Position) -> None:
        await self._write(Commit(TASKS, position.offset))

    async def commit_outcomes(self, position: Position) -> None:
        await self._write(Commit(OUTCOMES, position.offset))

    async def close(self) -> None:
        if self._flushing is not None:
            await self._flushing
        self._writer_thread.shutdown()
        self._reader_thread.shutdown()
        self._writer.close()
        self._reader.close()

    # --- writing

    async def _publish(self, name: str, key: str, model: BaseModel) -> None:
        await self._write(Append(name, key, model.model_dump_json()))
        self._new_records[name].set()

    async def _write(self, entry: Append | Commit) -> None:
        done = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, done))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush())
        await done

    async def _flush(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            failure: Exception | None = None
            try:
                await self._call(self._writer_thread, partial(self._writer.write, [entry for entry, _ in batch]))
            except Exception as error:  # every waiting caller must get it, whatever it is
                failure = error
            for _, done in batch:
                if done.cancelled():
                    continue
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)
            await self._prune_if_due()

    async def _prune_if_due(self) -> None:
        """Without this, a server that runs for months fills the disk."""
        if time.monotonic() - self._pruned_at < PRUNE_EVERY_S:
            return
        self._pruned_at = time.monotonic()
        try:
            await self._call(self._writer_thread, self._writer.prune)
        except BrokerUnavailableError as error:
            log.warning("old records cannot be deleted now: %s", error)

    # --- reading

    async def _records(
        self, name: str, model: type[M], after: int | None = None
    ) -> AsyncGenerator[tuple[Position, M | None]]:
        """`after` is an offset; None means the committed one."""
        if after is None:
            after = await self._call(self._reader_thread, partial(self._reader.committed, name))
        new_records, first = self._new_records[name], True
        while True:
            new_records.clear()
            page = await self._call(self._reader_thread, partial(self._reader.read, name, after, PAGE))
            for record in page:
                after = record.offset
                if (read := parse_record(name, str(after), record.key, record.value, model)) is not None:
                    yield Position(PARTITION, after), read
            if len(page) == PAGE:
                continue
            if page or first:
                yield Position(PARTITION, after), None
            first = False
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await new_records.wait()

    # --- the file

    async def _call(self, thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
        with self._as_unavailable():
            return await asyncio.get_running_loop().run_in_executor(thread, work)

    @contextlib.contextmanager
    def _as_unavailable(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            metrics.BROKER.failed()
            advice = DAMAGED_ADVICE if type(error) is sqlite3.DatabaseError else WAIT_ADVICE
            raise BrokerUnavailableError(f"the logs in {self._path} cannot be used now ({error}); {advice}") from error
        metrics.BROKER.answered()
