"""Whether Kafka would accept a task now, without writing one."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError, LeaderNotAvailableError, NotEnoughReplicasError, UnknownTopicOrPartitionError

from server.broker.kafka.client import connect
from server.broker.kafka.client_thread import ClientThread
from server.broker.kafka.cluster import Cluster
from server.broker.kafka.topics import read_topic_config

IN_SYNC_CONFIG = "min.insync.replicas"
REMEMBERED_S = 5.0
"""Seconds for which a refused write counts, because Kafka's metadata does not show every reason."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A record that Kafka did not accept, and no later one was accepted."""

    error: KafkaError | str
    at: float
    """Monotonic seconds."""


class WriteCheck:
    """Asks for the partitions of the tasks, on a connection of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._thread = ClientThread(cluster, "kafka-checks")
        self._admin: Any = None
        self._needed_in_sync: int | None = None

    async def run(self, refusal: Refusal | None) -> None:
        """Raises BrokerUnavailableError."""
        if refusal is not None and time.monotonic() - refusal.at < REMEMBERED_S:
            raise self._cluster.unavailable(refusal.error)
        await self._thread.run(self._check)

    async def close(self) -> None:
        await self._thread.close(lambda: self._admin and self._admin.close())

    # --- in the client's thread

    def _check(self) -> None:
        if self._admin is None:
            self._admin = connect(KafkaAdminClient, **self._cluster.options)
        [topic] = self._admin.describe_topics([self._cluster.tasks])
        if not topic["partitions"]:
            raise UnknownTopicOrPartitionError(f"the topic {self._cluster.tasks} does not exist")
        if self._needed_in_sync is None:
            # 1 if this user may not read the configuration; a refused write then shows what is missing
            self._needed_in_sync = int(read_topic_config(self._admin, self._cluster.tasks).get(IN_SYNC_CONFIG, 1))
        for partition in topic["partitions"]:
            number, in_sync = partition["partition_index"], len(partition["isr_nodes"])
            if partition["leader_id"] < 0:
                raise LeaderNotAvailableError(f"partition {number} of {self._cluster.tasks} has no leader")
            if in_sync < self._needed_in_sync:
                raise NotEnoughReplicasError(
                    f"partition {number} of {self._cluster.tasks} has {in_sync} replicas in sync and needs "
                    f"{self._needed_in_sync}"
                )
