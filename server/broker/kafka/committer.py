"""Commits offsets of the controllers' group in Kafka."""

from __future__ import annotations

import asyncio

from kafka import KafkaConsumer, TopicPartition
from kafka.structs import OffsetAndMetadata

from server.broker import Position
from server.broker.kafka.client import connect
from server.broker.kafka.client_thread import ClientThread
from server.broker.kafka.cluster import REQUEST_FRACTION, Cluster


class Committer:
    """Collects commits while one is under way and sends them together. An older position changes nothing.

    A commit is right whichever controller makes it, because all tasks below it are settled. So no lock is needed, and a
    slow commit only makes the next reader read some records again.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._thread = ClientThread(cluster, "kafka-commits")
        self._consumer: KafkaConsumer | None = None
        self._committed: dict[TopicPartition, int] = {}
        self._waiting: dict[TopicPartition, int] = {}
        self._committing: asyncio.Task[None] | None = None

    async def commit(self, topic: str, position: Position) -> None:
        """Raises BrokerUnavailableError."""
        partition, following = TopicPartition(topic, position.partition), position.offset + 1
        if following <= max(self._committed.get(partition, 0), self._waiting.get(partition, 0)):
            return
        self._waiting[partition] = following
        if self._committing is None or self._committing.done():
            self._committing = asyncio.create_task(self._commit_all())
        await asyncio.shield(self._committing)

    async def close(self) -> None:
        if self._committing is not None:
            await asyncio.gather(self._committing, return_exceptions=True)
        await self._thread.close(self._close)

    async def _commit_all(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, {}
            await self._thread.run(lambda batch=batch: self._send(batch))  # type: ignore[misc]
            self._committed |= batch

    # --- in the client's thread

    def _send(self, following: dict[TopicPartition, int]) -> None:
        if self._consumer is None:
            options = {"group_id": self._cluster.group, "enable_auto_commit": False, "metrics_enabled": False}
            self._consumer = connect(KafkaConsumer, **self._cluster.options, **options)
        offsets = {partition: OffsetAndMetadata(offset, "", -1) for partition, offset in following.items()}
        self._consumer.commit(offsets, timeout_ms=self._cluster.ms(REQUEST_FRACTION))

    def _close(self) -> None:
        if self._consumer is not None:
            self._consumer.close(autocommit=False)
