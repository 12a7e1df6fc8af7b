"""Checks during the run that no task is committed before it is settled: a replay would miss it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import defaultdict, deque
from pathlib import Path
from typing import Protocol

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from server.storage.bucket import Bucket, BucketUnavailableError
from tests.chaos.deployment import Deployment
from tests.chaos.history import History

LOOK_S, POLL_MS, PATIENCE_MS = 0.25, 50, 2000
TOPIC, GROUP = "hua.tasks", "hua.controller"


async def watch_offsets(log: Log, bucket: Bucket, history: History, over: asyncio.Event) -> None:
    """Runs until stopped. Reads the committed offset first, and then the manifests of all tasks up to it: one that is
    missing then was missing when its task was committed."""
    unseen: list[str] = []
    with contextlib.closing(log):
        while not over.is_set():
            with contextlib.suppress(KafkaError, sqlite3.OperationalError, BucketUnavailableError):
                unseen += await asyncio.to_thread(log.committed)
                while unseen:
                    if await bucket.manifest(unseen[-1]) is None:
                        history.add("premature", id=unseen[-1])
                    unseen.pop()
            await asyncio.sleep(LOOK_S)


def log_of(deployment: Deployment) -> Log:
    """The log of tasks of a deployment, read without its code."""
    return (
        KafkaLog(deployment.kafka.address)
        if deployment.kafka
        else SQLiteLog(deployment.folder / "data" / "logs.sqlite")
    )


class Log(Protocol):
    def committed(self) -> list[str]:
        """The ids of the tasks that were committed since the last call."""

    def close(self) -> None: ...


class KafkaLog:
    def __init__(self, address: str) -> None:
        self._reader = KafkaConsumer(bootstrap_servers=address, group_id=GROUP, enable_auto_commit=False)
        self._open: defaultdict[TopicPartition, deque[tuple[int, str]]] = defaultdict(deque)

    def committed(self) -> list[str]:
        if not self._reader.assignment():
            places = [TopicPartition(TOPIC, number) for number in self._reader.partitions_for_topic(TOPIC) or ()]
            self._reader.assign(places)
            self._reader.seek_to_beginning(*places)
        for place, page in self._reader.poll(POLL_MS).items():
            self._open[place] += [(record.offset, record.key.decode()) for record in page]
        return [task_id for place in self._open for task_id in self._done(place)]

    def _done(self, place: TopicPartition) -> list[str]:
        records, found = self._open[place], list[str]()
        until = (self._reader.committed(place, timeout_ms=PATIENCE_MS) or 0) if records else 0
        while records and records[0][0] < until:
            found.append(records.popleft()[1])
        return found

    def close(self) -> None:
        self._reader.close(autocommit=False, timeout_ms=PATIENCE_MS)


class SQLiteLog:
    """In SQLite the committed offset is that of the last settled record."""

    def __init__(self, file: Path) -> None:
        self._log = sqlite3.connect(file, check_same_thread=False)
        self._seen = 0

    def committed(self) -> list[str]:
        query = (
            "select records.offset, key from records join committed on committed.log = records.log "
            "where records.log = 'tasks' and records.offset > ? and records.offset <= committed.offset"
        )
        rows = self._log.execute(query, (self._seen,)).fetchall()
        self._seen = max([self._seen, *(offset for offset, _ in rows)])
        return [task_id for _, task_id in rows]

    def close(self) -> None:
        self._log.close()
