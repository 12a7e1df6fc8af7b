"""Kafka: whether it can be reached, its topics, and the rights of this user."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ACLOperation
from kafka.errors import KafkaError

from server.broker.kafka.client import connect
from server.broker.kafka.cluster import Cluster
from server.broker.kafka.publisher import MOST_BYTES
from server.broker.kafka.topics import IN_SYNC, SAFE_REPLICATION, read_topic_config
from server.commands.preflight.finding import Finding
from server.settings import Settings, SettingsError

RIGHTS = (ACLOperation.READ, ACLOperation.WRITE, ACLOperation.DESCRIBE)
RIGHTS_ADVICE = "docs/roles.md lists what its user needs"
DAY_MS = 86_400_000
LONGEST_MS = 40 * DAY_MS
"""Results are deleted after 40 days. A log that keeps a task longer would have it run again."""


def check_kafka(settings: Settings) -> Iterator[Finding]:
    if settings.broker == "sqlite://":
        yield Finding("kafka", "skipped", "the logs are SQLite, in the data folder")
        return
    try:
        cluster = Cluster.at(settings.broker)
    except SettingsError as error:
        yield Finding("kafka", "fail", str(error), RIGHTS_ADVICE)
        return
    try:
        yield from _cluster(cluster)
        yield from _reading(cluster)
    except (KafkaError, OSError) as error:
        yield Finding("kafka", "fail", str(cluster.unavailable(error)), RIGHTS_ADVICE)


def _cluster(cluster: Cluster) -> Iterator[Finding]:
    admin: Any = connect(KafkaAdminClient, **cluster.options)
    try:
        brokers = len(admin.describe_cluster()["brokers"])
        yield Finding("kafka", "ok", f"{', '.join(cluster.servers)}: {brokers} brokers")
        if brokers < SAFE_REPLICATION:
            advice = "to survive the loss of a broker, use three brokers and replication=3"
            yield Finding("kafka brokers", "warn", f"{brokers} of {SAFE_REPLICATION}", advice)
        existing = set(admin.list_topics())
        for topic in (cluster.tasks, cluster.outcomes, cluster.usage, cluster.poison):
            if topic in existing:
                yield from _topic(admin, topic)
            else:
                yield _missing(admin, topic, cluster)
    finally:
        admin.close()


def _missing(admin: Any, topic: str, cluster: Cluster) -> Finding:
    """Checks whether the topic could be created, without creating it."""
    settings = {"num_partitions": cluster.partitions, "replication_factor": cluster.replication}
    try:
        admin.create_topics({topic: settings}, validate_only=True)
    except KafkaError as error:
        advice = "create it, or allow this user CREATE on topics that begin with the prefix"
        return Finding(
            f"topic {topic}", "fail", f"it does not exist, and may not be created ({type(error).__name__})", advice
        )
    return Finding(f"topic {topic}", "ok", "it does not exist yet; it is created when first needed")


def _topic(admin: Any, topic: str) -> Iterator[Finding]:
    description, configs = admin.describe_topics([topic])[0], read_topic_config(admin, topic)
    copies = min(len(partition["replica_nodes"]) for partition in description["partitions"])
    message = f"{len(description['partitions'])} partitions, replication {copies}"
    rights = _rights(description)
    missing = [right.name for right in RIGHTS if rights and right.name not in rights]
    if missing:
        yield Finding(f"topic {topic}", "fail", f"{message}; this user lacks {', '.join(missing)}", RIGHTS_ADVICE)
    elif not configs:
        message += "; its configuration may not be read"
        advice = "to check that too, allow this user DESCRIBE_CONFIGS on topics"
        yield Finding(f"topic {topic}", "warn" if copies < IN_SYNC else "ok", message, advice)
    else:
        in_sync = int(configs["min.insync.replicas"])
        yield _copies(topic, f"{message}, min.insync.replicas {in_sync}", copies, in_sync)
        yield from _configured(topic, configs)


def _copies(topic: str, message: str, copies: int, in_sync: int) -> Finding:
    if copies < in_sync:
        advice = "nothing can be written while min.insync.replicas is above the replication; lower it"
        return Finding(f"topic {topic}", "fail", message, advice)
    if copies >= SAFE_REPLICATION and in_sync < IN_SYNC:
        advice = f"set min.insync.replicas={IN_SYNC}, or an accepted task may be lost with one broker"
        return Finding(f"topic {topic}", "warn", message, advice)
    if copies < IN_SYNC:
        return Finding(f"topic {topic}", "warn", message, "one lost disk loses its records; use a replication of 3")
    return Finding(f"topic {topic}", "ok", message)


def _configured(topic: str, configs: Mapping[str, str]) -> Iterator[Finding]:
    if "compact" in configs["cleanup.policy"]:
        advice = "set cleanup.policy=delete: compaction removes records that are still needed"
        yield Finding(f"topic {topic}", "fail", "it is compacted", advice)
    retention_ms, most_bytes = int(configs["retention.ms"]), int(configs["max.message.bytes"])
    if not DAY_MS <= retention_ms <= LONGEST_MS:
        advice = "set retention.ms above the longest wait of a task and below 40 days; seven days is usual"
        yield Finding(f"topic {topic}", "warn", f"records are kept for {retention_ms / DAY_MS:.2f} days", advice)
    if most_bytes < MOST_BYTES:
        advice = f"set max.message.bytes to {MOST_BYTES} or more, or larger tasks are refused"
        yield Finding(f"topic {topic}", "warn", f"max.message.bytes is {most_bytes}", advice)


def _rights(description: Mapping[str, Any]) -> set[str]:
    """The operations that this user may do on the topic; empty if Kafka does not say."""
    operations = description.get("authorized_operations") or []
    return {str(right).rpartition(".")[2].upper() for right in operations}


def _reading(cluster: Cluster) -> Iterator[Finding]:
    """Reads as the controller does: by assignment, with the offsets of its group."""
    options = {"group_id": cluster.group, "enable_auto_commit": False, "metrics_enabled": False}
    consumer: Any = connect(KafkaConsumer, **cluster.options, **options)
    try:
        numbers = consumer.partitions_for_topic(cluster.tasks) or set()
        partitions = [TopicPartition(cluster.tasks, number) for number in sorted(numbers)]
        if not partitions:
            yield Finding("kafka reading", "skipped", f"there is no {cluster.tasks} to read yet")
            return
        ends = consumer.end_offsets(partitions)
        behind = sum(ends[partition] - (consumer.committed(partition) or 0) for partition in partitions)
        yield Finding("kafka reading", "ok", f"group {cluster.group}: {behind} records of tasks are not settled")
    finally:
        consumer.close(autocommit=False)
