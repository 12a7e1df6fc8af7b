"""The topics, made where they are not there yet; those that are there are used as they are."""

from __future__ import annotations

from kafka import KafkaAdminClient
from kafka.errors import AuthorizationError, TopicAlreadyExistsError

from server.broker.kafka.client import connected
from server.broker.kafka.cluster import Cluster

KEPT_MS = 7 * 86_400_000
SAFE_REPLICATION, IN_SYNC = 3, 2
BY_KAFKA = "LogAppendTime"
"""By whose clock records are dated: those that come more than an hour from the future would else be refused."""


def ensure_topics(cluster: Cluster) -> None:
    """Blocks for as long as Kafka takes; raises KafkaError."""
    admin = connected(KafkaAdminClient, **cluster.options)
    try:
        there = set(admin.list_topics())
        for topic in (cluster.tasks, cluster.outcomes, cluster.usage, cluster.poison):
            if topic not in there:
                _create(admin, topic, cluster)
    finally:
        admin.close()


def _create(admin: KafkaAdminClient, topic: str, cluster: Cluster) -> None:
    configs = {"retention.ms": str(KEPT_MS), "message.timestamp.type": BY_KAFKA}
    if cluster.replication >= SAFE_REPLICATION:
        configs["min.insync.replicas"] = str(IN_SYNC)
    shape = {"num_partitions": cluster.partitions, "replication_factor": cluster.replication, "configs": configs}
    try:
        admin.create_topics({topic: shape}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return  # another role was faster
    except AuthorizationError as error:
        raise AuthorizationError(
            f"the topic {topic} is not there, or not for this user to see, and this user may not create it"
        ) from error
