"""Reads one topic of Kafka, all of its partitions, from where the group has committed it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from server.broker.kafka.client import connected
from server.broker.kafka.cluster import Cluster
from server.broker.kafka.topics import ensure_topics

POLL_S = 0.2
"""How soon it can be stopped; records are told at once."""
PAGE = 256
LOOK_EVERY_S = 60.0
BUFFER_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Page:
    """Records in the order of their partitions, and whether they reach the end."""

    records: Sequence[Any]
    caught_up: bool


class Reader:
    """Belongs to one thread at a time. Is no member of the group, so nobody takes partitions from it or gives it some;
    everything may raise KafkaError."""

    def __init__(self, cluster: Cluster, topic: str) -> None:
        ensure_topics(cluster)
        self._topic = topic
        self._consumer = connected(
            KafkaConsumer,
            **cluster.options,
            group_id=cluster.group,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_poll_records=PAGE,
            fetch_max_bytes=BUFFER_BYTES,
            allow_auto_create_topics=False,
            metadata_max_age_ms=int(LOOK_EVERY_S * 1000),
            metrics_enabled=False,
        )
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        self._partitions = self._those_there_are()
        self._looked_at = time.monotonic()
        self._consumer.assign(self._partitions)
        first = self._consumer.beginning_offsets(self._partitions)
        self._end = self._consumer.end_offsets(self._partitions)
        for partition in self._partitions:
            committed = self._consumer.committed(partition) or 0
            known = first[partition] <= committed <= self._end[partition]
            self._consumer.seek(partition, committed if known else first[partition])

    def read(self, wait_s: float = POLL_S) -> Page:
        self._look_for_new_partitions()
        found = self._consumer.poll(int(wait_s * 1000))
        records = [record for partition in sorted(found) for record in found[partition]]
        return Page(records, not any(self._behind(partition) for partition in self._partitions))

    def close(self) -> None:
        self._consumer.close(autocommit=False)

    def _behind(self, partition: TopicPartition) -> bool:
        end = max(self._end[partition], self._consumer.highwater(partition) or 0)
        return bool((self._consumer.position(partition) or 0) < end)

    def _look_for_new_partitions(self) -> None:
        """Read from the very beginning with all the others: whoever reads must know when the past is behind it."""
        if time.monotonic() - self._looked_at > LOOK_EVERY_S:
            self._looked_at = time.monotonic()
            if set(self._those_there_are()) - set(self._partitions):
                raise KafkaError(f"the topic {self._topic} has been given new partitions and is read anew")

    def _those_there_are(self) -> list[TopicPartition]:
        numbers = self._consumer.partitions_for_topic(self._topic)
        if not numbers:
            raise KafkaError(f"the topic {self._topic} is not there, or not for this user to see")
        return [TopicPartition(self._topic, number) for number in sorted(numbers)]
