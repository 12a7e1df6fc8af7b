"""Creates missing topics, and reads what Kafka says about them; existing ones are used as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import AuthorizationError, TopicAlreadyExistsError, for_code

from server.broker.kafka.client import connect
from server.broker.kafka.cluster import Cluster

RETENTION_MS = 7 * 86_400_000
SAFE_REPLICATION, IN_SYNC = 3, 2
BROKER_TIME = "LogAppendTime"
"""The brokers date records. Otherwise Kafka refuses records dated more than an hour in the future."""


def ensure_topics(cluster: Cluster) -> None:
    """Blocks until Kafka has answered. Raises KafkaError."""
    admin = connect(KafkaAdminClient, **cluster.options)
    try:
        existing = set(admin.list_topics())
        for topic in (cluster.tasks, cluster.outcomes, cluster.usage, cluster.poison):
            if topic not in existing:
                _create(admin, topic, cluster)
    finally:
        admin.close()


def read_topic_ids(cluster: Cluster) -> list[str]:
    """The ids of the topics that Hua works from. A topic that is deleted and created again has another one.

    Kafka before 2.8 has no ids; then it is the topic's name. Creates missing topics. Raises KafkaError.
    """
    ensure_topics(cluster)
    admin = connect(KafkaAdminClient, **cluster.options)
    try:
        topics = admin.describe_topics([cluster.tasks, cluster.outcomes])
    finally:
        admin.close()
    for topic in topics:
        if topic["error_code"]:  # such a reply has no id, and the logs would count as lost
            raise for_code(topic["error_code"])(f"the topic {topic['name']} cannot be described")
    return [str(topic.get("topic_id") or topic["name"]) for topic in sorted(topics, key=lambda topic: topic["name"])]


def read_topic_config(admin: Any, topic: str) -> Mapping[str, str]:
    """Empty if this user may not read it. Raises KafkaError."""
    reply = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    [configs] = next(iter(reply.values())).values()
    return {name: config["value"] for name, config in configs.items()}


def _create(admin: KafkaAdminClient, topic: str, cluster: Cluster) -> None:
    configs = {"retention.ms": str(RETENTION_MS), "message.timestamp.type": BROKER_TIME}
    if cluster.replication >= SAFE_REPLICATION:
        configs["min.insync.replicas"] = str(IN_SYNC)
    settings = {"num_partitions": cluster.partitions, "replication_factor": cluster.replication, "configs": configs}
    try:
        admin.create_topics({topic: settings}, wait_for_metadata=True)
    except TopicAlreadyExistsError:
        return  # another role was faster
    except AuthorizationError as error:
        raise AuthorizationError(
            f"the topic {topic} does not exist, or this user may not see it, and this user may not create it"
        ) from error
