"""Reads all partitions of one topic, from the group's committed offsets."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from server.broker.kafka.client import connect
from server.broker.kafka.cluster import Cluster
from server.broker.kafka.topics import ensure_topics

POLL_S = 0.2
"""How soon reading can be stopped; records are returned at once."""
PAGE = 256
METADATA_EVERY_S = 60.0
BUFFER_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Page:
    """Records in the order of their partitions, and whether they reach the end of the topic."""

    records: Sequence[Any]
    caught_up: bool


class Reader:
    """Used by one thread at a time. Not a member of the group, so it is never rebalanced.

    Every method may raise KafkaError.
    """

    def __init__(self, cluster: Cluster, topic: str, *, from_start: bool = False) -> None:
        """`from_start`: the committed offsets are ignored."""
        ensure_topics(cluster)
        self._from_start = from_start
        self._topic = topic
        self._consumer = connect(
            KafkaConsumer,
            **cluster.options,
            group_id=cluster.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=PAGE,
            fetch_max_bytes=BUFFER_BYTES,
            allow_auto_create_topics=False,
            metadata_max_age_ms=int(METADATA_EVERY_S * 1000),
            metrics_enabled=False,
        )
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        self._partitions = self._list_partitions()
        self._metadata_read_at = time.monotonic()
        self._consumer.assign(self._partitions)
        first = self._consumer.beginning_offsets(self._partitions)
        self._end = self._consumer.end_offsets(self._partitions)
        for partition in self._partitions:
            committed = 0 if self._from_start else self._consumer.committed(partition) or 0
            known = first[partition] <= committed <= self._end[partition]
            self._consumer.seek(partition, committed if known else first[partition])

    def read(self, wait_s: float = POLL_S) -> Page:
        self._check_for_new_partitions()
        found = self._consumer.poll(int(wait_s * 1000))
        records = [record for partition in sorted(found) for record in found[partition]]
        return Page(records, not any(self._behind(partition) for partition in self._partitions))

    def close(self) -> None:
        self._consumer.close(autocommit=False)

    def _behind(self, partition: TopicPartition) -> bool:
        end = max(self._end[partition], self._consumer.highwater(partition) or 0)
        return bool((self._consumer.position(partition) or 0) < end)

    def _check_for_new_partitions(self) -> None:
        """New partitions start the reading again, because the reader must know when it has read the past."""
        if time.monotonic() - self._metadata_read_at > METADATA_EVERY_S:
            self._metadata_read_at = time.monotonic()
            if set(self._list_partitions()) - set(self._partitions):
                raise KafkaError(f"the topic {self._topic} has new partitions and is read again")

    def _list_partitions(self) -> list[TopicPartition]:
        numbers = self._consumer.partitions_for_topic(self._topic)
        if not numbers:
            raise KafkaError(f"the topic {self._topic} does not exist, or this user may not see it")
        return [TopicPartition(self._topic, number) for number in sorted(numbers)]
