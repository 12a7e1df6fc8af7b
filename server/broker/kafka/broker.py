"""The broker of a cluster: the logs are topics of Kafka, and a task's records share a partition by its id.

Readers are not members of a consumer group. Each reads all partitions; only its offsets are committed under the group's
name. So nothing is rebalanced, and a reader always knows when it has read the past. The controllers elect the one that
reads (`server/controller/leader_election.py`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from functools import partial
from typing import Any, TypeVar

from pydantic import BaseModel

from server.broker import Position
from server.broker.kafka.client_thread import ClientThread
from server.broker.kafka.cluster import TIMEOUT_S, Cluster
from server.broker.kafka.committer import Committer
from server.broker.kafka.publisher import MOST_BYTES, OUTCOME_BYTES, SCHEMA, Publisher
from server.broker.kafka.reader import Reader
from server.broker.kafka.topics import read_topic_ids
from server.broker.kafka.write_check import WriteCheck
from server.broker.record_codec import log_skipped, parse_record
from server.task import Outcome, Task
from server.tenancy.usage import Usage

M = TypeVar("M", bound=BaseModel)

# Its errors reach us as exceptions. Its own lines about each lost connection would hide ours.
logging.getLogger("kafka").setLevel(logging.CRITICAL)


class KafkaBroker:
    """Raises SettingsError for a wrong address.

    url: HUA_BROKER.
    timeout_s: seconds until Kafka counts as unavailable.
    """

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S) -> None:
        self._cluster = Cluster.at(url, timeout_s)
        self._publisher = Publisher(self._cluster)
        self._committer = Committer(self._cluster)
        self._write_check = WriteCheck(self._cluster)

    async def publish_task(self, task: Task) -> None:
        value = task.model_dump_json().encode()
        await self._publisher.publish(self._cluster.tasks, task.id, value, MOST_BYTES - OUTCOME_BYTES)

    async def publish_outcome(self, outcome: Outcome) -> None:
        value = outcome.model_dump_json().encode()
        await self._publisher.publish(self._cluster.outcomes, outcome.task.id, value, MOST_BYTES)

    async def publish_usage(self, usage: Usage) -> None:
        value = usage.model_dump_json().encode()
        await self._publisher.publish(self._cluster.usage, usage.task, value, MOST_BYTES)

    async def publish_poison(self, outcome: Outcome) -> None:
        value = outcome.model_dump_json().encode()
        await self._publisher.publish(self._cluster.poison, outcome.task.id, value, MOST_BYTES)

    async def check(self) -> None:
        await self._write_check.run(self._publisher.refusal)

    def tasks(self) -> AsyncIterator[tuple[Position, Task | None]]:
        return self._records(self._cluster.tasks, Task)

    def outcomes(self) -> AsyncIterator[tuple[Position, Outcome | None]]:
        return self._records(self._cluster.outcomes, Outcome)

    async def past_outcomes(self) -> AsyncGenerator[Outcome]:
        async with aclosing(self._records(self._cluster.outcomes, Outcome, from_start=True)) as records:
            async for _, outcome in records:
                if outcome is None:
                    return
                yield outcome

    async def log_id(self) -> str:
        thread = ClientThread(self._cluster, "kafka-topic-ids")
        try:
            return " ".join(await thread.run(partial(read_topic_ids, self._cluster)))
        finally:
            await thread.close(lambda: None)

    async def commit_tasks(self, position: Position) -> None:
        await self._committer.commit(self._cluster.tasks, position)

    async def commit_outcomes(self, position: Position) -> None:
        await self._committer.commit(self._cluster.outcomes, position)

    async def close(self) -> None:
        await asyncio.gather(self._publisher.close(), self._committer.close(), self._write_check.close())

    async def _records(
        self, topic: str, model: type[M], *, from_start: bool = False
    ) -> AsyncGenerator[tuple[Position, M | None]]:
        thread = ClientThread(self._cluster, f"kafka-reads-{topic}")
        reader: Reader | None = None
        try:
            reader = await thread.run(partial(Reader, self._cluster, topic, from_start=from_start))
            page = await thread.run(partial(reader.read, wait_s=0))
            last, first = Position(0, -1), True
            while True:
                for record in page.records:
                    last = Position(record.partition, record.offset)
                    if (read := _read(record, model)) is not None:
                        yield last, read
                if page.caught_up and (page.records or first):
                    first = False
                    yield last, None
                page = await thread.run(reader.read)
        finally:
            await thread.close(reader.close if reader else lambda: None)


def _read(record: Any, model: type[M]) -> M | None:
    position, key = f"{record.partition}:{record.offset}", (record.key or b"").decode(errors="replace")
    schema = dict(record.headers).get(SCHEMA[0])
    if schema != SCHEMA[1]:
        log_skipped(record.topic, position, key, f"its schema is {schema!r}, and this version reads {SCHEMA[1]!r}")
        return None
    return parse_record(record.topic, position, key, record.value or b"", model)
