"""Logs in one SQLite file, synchronous. Several processes may have it open.

Writers append to a write-ahead log, so readers never block them (https://sqlite.org/wal.html).
"""

from __future__ import annotations

import sqlite3
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from server.process.disk_space import check_disk_space

TASKS, OUTCOMES, USAGE, POISON = "tasks", "outcomes", "usage", "poison"
RETENTION_S = 7 * 86_400
RETRY_S = 0.01

SCHEMA = """
create table if not exists records (
    offset integer primary key autoincrement,  -- never reused, not even when the last record is pruned
    log text not null,
    key text not null,
    value text not null,
    at real not null
);
create index if not exists records_by_log on records (log, offset);
create index if not exists records_by_age on records (at);
create table if not exists committed (log text primary key, offset integer not null);
create table if not exists identity (id text not null);
"""


class LogRecord(NamedTuple):
    """A stored record; `key` is the task's id."""

    offset: int
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Append:
    log: str
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Commit:
    """Records up to `offset` need not be read again."""

    log: str
    offset: int


class LogFile:
    """One connection, used by one thread at a time. Every method may raise sqlite3.Error."""

    def __init__(self, path: Path, lock_timeout_s: float) -> None:
        self._path = path
        self._write_failed = False
        self._db = sqlite3.connect(path, timeout=lock_timeout_s, isolation_level=None, check_same_thread=False)
        self._begin_wal(time.monotonic() + lock_timeout_s)
        self._db.executescript(SCHEMA)
        self.id = self._read_id()
        self._inode = path.stat().st_ino

    def _read_id(self) -> str:
        """Random, and stored when the file is new; a file of an earlier version gets one, too."""
        if (row := self._db.execute("select id from identity").fetchone()) is None:
            new = "insert into identity select ? where not exists (select 1 from identity)"
            self._db.execute(new, (uuid.uuid4().hex,))
            row = self._db.execute("select id from identity").fetchone()
        return str(row[0])

    def _begin_wal(self, deadline: float) -> None:
        """If several processes open a new file together, SQLite refuses some at once, whatever its timeout is."""
        while True:
            try:
                self._db.execute("pragma journal_mode = wal")
                return
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_S)

    def prune(self) -> None:
        """Deletes records older than a week that were committed, or that Hua does not read."""
        self._db.execute(
            "delete from records where at < ? and "
            "(log in (?, ?) or offset <= (select offset from committed where committed.log = records.log))",
            (time.time() - RETENTION_S, USAGE, POISON),
        )

    def check(self) -> None:
        """Raises OSError or sqlite3.Error if nothing can be written.

        Only after a failed write is anything written: a commit that changes no offset. It also notices quotas, locks of
        other programs, and that the fault has passed.
        """
        self._check_file()
        check_disk_space(self._path.parent)
        if self._write_failed:
            self.write([Commit(TASKS, 0), Commit(OUTCOMES, 0)])

    def _check_file(self) -> None:
        """SQLite would go on writing to a deleted file, and all its records would be lost at the next start."""
        if not self._path.exists() or self._path.stat().st_ino != self._inode:
            raise FileNotFoundError("the file was deleted or replaced while it was in use; restart the server")

    def write(self, entries: Sequence[Append | Commit]) -> None:
        """Writes all entries or none. Records are on the disk when this returns.

        A commit may be lost in a power failure; then some records are read again.
        """
        try:
            self._check_file()
            self._write_all(entries)
        except (OSError, sqlite3.Error):
            self._write_failed = True
            raise
        self._write_failed = False

    def _write_all(self, entries: Sequence[Append | Commit]) -> None:
        durable = any(isinstance(entry, Append) for entry in entries)
        self._db.execute(f"pragma synchronous = {'full' if durable else 'normal'}")
        with self._db:
            self._db.execute("begin immediate")
            for entry in entries:
                self._write(entry)

    def _write(self, entry: Append | Commit) -> None:
        match entry:
            case Append(log, key, value):
                self._db.execute(
                    "insert into records (log, key, value, at) values (?, ?, ?, ?)", (log, key, value, time.time())
                )
            case Commit(log, offset):
                self._db.execute(
                    "insert into committed values (?, ?) "
                    "on conflict (log) do update set offset = max(offset, excluded.offset)",
                    (log, offset),
                )

    def committed(self, log: str) -> int:
        """The committed offset; 0 if nothing is committed, because offsets begin at 1."""
        row = self._db.execute("select offset from committed where log = ?", (log,)).fetchone()
        return int(row[0]) if row else 0

    def read(self, log: str, after: int, count: int) -> list[LogRecord]:
        rows = self._db.execute(
            "select offset, key, value from records where log = ? and offset > ? order by offset limit ?",
            (log, after, count),
        )
        return [LogRecord(*row) for row in rows]

    def close(self) -> None:
        self._db.close()
