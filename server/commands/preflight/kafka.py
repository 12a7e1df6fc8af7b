"""Kafka: whether it is reached, what its topics are like, and what our user may do with them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import ACLOperation, ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from server.broker.kafka.client import connect
from server.broker.kafka.cluster import Cluster
from server.broker.kafka.publisher import MOST_BYTES
from server.broker.kafka.topics import IN_SYNC, SAFE_REPLICATION
from server.commands.preflight.finding import Finding
from server.settings import Settings, SettingsError

RIGHTS = (ACLOperation.READ, ACLOperation.WRITE, ACLOperation.DESCRIBE)
WHAT = "docs/roles.md lists what its user needs"
DAY_MS = 86_400_000
LONGEST_MS = 40 * DAY_MS
"""A result is forgotten after 40 days; a log that knows a task for longer would have it run again."""


def check_kafka(settings: Settings) -> Iterator[Finding]:
    if settings.broker == "sqlite://":
        yield Finding("kafka", "skipped", "the logs are SQLite, in the data folder")
        return
    try:
        cluster = Cluster.at(settings.broker)
    except SettingsError as error:
        yield Finding("kafka", "fail", str(error), WHAT)
        return
    try:
        yield from _cluster(cluster)
        yield from _reading(cluster)
    except (KafkaError, OSError) as error:
        yield Finding("kafka", "fail", str(cluster.unavailable(error)), WHAT)


def _cluster(cluster: Cluster) -> Iterator[Finding]:
    admin: Any = connect(KafkaAdminClient, **cluster.options)
    try:
        brokers = len(admin.describe_cluster()["brokers"])
        yield Finding("kafka", "ok", f"{', '.join(cluster.servers)}: {brokers} brokers")
        if brokers < SAFE_REPLICATION:
            advice = "for tasks that survive the loss of a broker: three of them, and replication=3"
            yield Finding("kafka brokers", "warn", f"{brokers} of {SAFE_REPLICATION}", advice)
        there = set(admin.list_topics())
        for topic in (cluster.tasks, cluster.outcomes, cluster.usage, cluster.poison):
            if topic in there:
                yield from _topic(admin, topic)
            else:
                yield _missing(admin, topic, cluster)
    finally:
        admin.close()


def _missing(admin: Any, topic: str, cluster: Cluster) -> Finding:
    """Whether it could be made, without making it."""
    shape = {"num_partitions": cluster.partitions, "replication_factor": cluster.replication}
    try:
        admin.create_topics({topic: shape}, validate_only=True)
    except KafkaError as error:
        advice = "create it, or allow this user CREATE on topics that begin with the prefix"
        return Finding(
            f"topic {topic}", "fail", f"it is not there, and may not be made ({type(error).__name__})", advice
        )
    return Finding(f"topic {topic}", "ok", "it is not there yet; it is made when it is first needed")


def _topic(admin: Any, topic: str) -> Iterator[Finding]:
    told, configs = admin.describe_topics([topic])[0], _configs(admin, topic)
    copies = min(len(partition["replica_nodes"]) for partition in told["partitions"])
    said = f"{len(told['partitions'])} partitions, replication {copies}"
    rights = _rights(told)
    lacking = [right.name for right in RIGHTS if rights and right.name not in rights]
    if lacking:
        yield Finding(f"topic {topic}", "fail", f"{said}; this user lacks {', '.join(lacking)}", WHAT)
    elif not configs:
        seen = f"{said}; how it is configured may not be seen"
        advice = "to have that checked as well, allow this user DESCRIBE_CONFIGS on topics"
        yield Finding(f"topic {topic}", "warn" if copies < IN_SYNC else "ok", seen, advice)
    else:
        in_sync = int(configs["min.insync.replicas"])
        yield _copies(topic, f"{said}, min.insync.replicas {in_sync}", copies, in_sync)
        yield from _configured(topic, configs)


def _copies(topic: str, said: str, copies: int, in_sync: int) -> Finding:
    if copies < in_sync:
        advice = "nothing can be written while min.insync.replicas is above the replication; lower it"
        return Finding(f"topic {topic}", "fail", said, advice)
    if copies >= SAFE_REPLICATION and in_sync < IN_SYNC:
        advice = f"set min.insync.replicas={IN_SYNC}, or a task that was accepted may be lost with one broker"
        return Finding(f"topic {topic}", "warn", said, advice)
    if copies < IN_SYNC:
        return Finding(f"topic {topic}", "warn", said, "its records are lost with a single disk; replicate it thrice")
    return Finding(f"topic {topic}", "ok", said)


def _configured(topic: str, configs: Mapping[str, str]) -> Iterator[Finding]:
    if "compact" in configs["cleanup.policy"]:
        advice = "set cleanup.policy=delete: compacting takes records away that are still needed"
        yield Finding(f"topic {topic}", "fail", "it is compacted", advice)
    kept, most = int(configs["retention.ms"]), int(configs["max.message.bytes"])
    if not DAY_MS <= kept <= LONGEST_MS:
        advice = "set retention.ms to days that no task waits longer than, and below 40: seven is usual"
        yield Finding(f"topic {topic}", "warn", f"records are kept for {kept / DAY_MS:.2f} days", advice)
    if most < MOST_BYTES:
        advice = f"set max.message.bytes to {MOST_BYTES} or more, or larger tasks are refused"
        yield Finding(f"topic {topic}", "warn", f"max.message.bytes is {most}", advice)


def _configs(admin: Any, topic: str) -> Mapping[str, str]:
    """What the topic is told to be; empty where we may not ask."""
    try:
        told = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    except KafkaError:
        return {}
    every = next(iter(next(iter(told.values())).values()))
    return {name: config["value"] for name, config in every.items()}


def _rights(told: Mapping[str, Any]) -> set[str]:
    """Names of the operations that this user may do on the topic; empty where Kafka does not tell."""
    given = told.get("authorized_operations") or []
    return {str(right).rpartition(".")[2].upper() for right in given}


def _reading(cluster: Cluster) -> Iterator[Finding]:
    """As the controller reads: by assignment, with offsets of its group."""
    options = {"group_id": cluster.group, "enable_auto_commit": False, "metrics_enabled": False}
    consumer: Any = connect(KafkaConsumer, **cluster.options, **options)
    try:
        numbers = consumer.partitions_for_topic(cluster.tasks) or set()
        places = [TopicPartition(cluster.tasks, number) for number in sorted(numbers)]
        if not places:
            yield Finding("kafka reading", "skipped", f"there is no {cluster.tasks} to read yet")
            return
        ends = consumer.end_offsets(places)
        behind = sum(ends[place] - (consumer.committed(place) or 0) for place in places)
        yield Finding("kafka reading", "ok", f"group {cluster.group}: {behind} records of tasks are not settled")
    finally:
        consumer.close(autocommit=False)
