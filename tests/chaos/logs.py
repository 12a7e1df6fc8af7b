"""Reads the logs and the bucket after a run, without Hua's own code."""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import PurePosixPath
from typing import Any

from kafka import KafkaConsumer, TopicPartition

from server.storage.bucket import Bucket
from server.storage.bucket_keys import CALLBACKS, IMAGES, MANIFESTS, USAGE
from tests.chaos.deployment import Deployment
from tests.chaos.history import Found

READ_BY_US = ("tasks", "outcomes")
Records = list[tuple[str, dict[str, Any]]]


async def found(deployment: Deployment, bucket: Bucket) -> Found:
    """Everything."""
    records = {log: list(_records(deployment, log)) for log in (*READ_BY_US, "usage")}
    one = Found(
        accepted=[key for key, _ in records["tasks"]],
        outcomes=_by_id(records["outcomes"]),
        usage_log=_by_id(records["usage"]),
        images=[key for key, _ in await bucket.keys(IMAGES)],
        callbacks=[PurePosixPath(key).stem for key, _ in await bucket.keys(CALLBACKS)],
        uncommitted=uncommitted(deployment),
    )
    for key, _ in await bucket.keys(MANIFESTS):
        one.manifests[PurePosixPath(key).stem] = json.loads(await bucket.get(key) or b"{}")
    one.usage = _by_id([(PurePosixPath(key).stem, await _read(bucket, key)) for key, _ in await bucket.keys(USAGE)])
    return one


async def _read(bucket: Bucket, key: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(await bucket.get(key) or b"{}")
    return read


def _by_id(records: Records) -> dict[str, list[dict[str, Any]]]:
    sorted_out: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for key, value in records:
        sorted_out[key].append(value)
    return dict(sorted_out)


def _records(deployment: Deployment, log: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of one task, in order."""
    if deployment.kafka is None:
        with closing(sqlite3.connect(deployment.folder / "data" / "logs.sqlite")) as logs:
            rows = logs.execute("select key, value from records where log = ? order by offset", (log,))
            yield from ((key, json.loads(value)) for key, value in rows)
        return
    with closing(KafkaConsumer(bootstrap_servers=deployment.kafka.address)) as reader:
        places = [TopicPartition(f"hua.{log}", number) for number in reader.partitions_for_topic(f"hua.{log}") or ()]
        reader.assign(places)
        reader.seek_to_beginning(*places)
        ends = reader.end_offsets(places)
        while any(reader.position(place) < ends[place] for place in places):
            for page in reader.poll(500).values():
                yield from ((record.key.decode(), json.loads(record.value)) for record in page)


def uncommitted(deployment: Deployment) -> int:
    """The number of records that would be read again."""
    if deployment.kafka is None:
        with closing(sqlite3.connect(deployment.folder / "data" / "logs.sqlite")) as logs:
            query = (
                "select count(*) from records left join committed on committed.log = records.log "
                "where records.log in ('tasks', 'outcomes') and records.offset > coalesce(committed.offset, 0)"
            )
            return int(logs.execute(query).fetchone()[0])
    with closing(KafkaConsumer(bootstrap_servers=deployment.kafka.address, group_id="hua.controller")) as group:
        places = [
            TopicPartition(f"hua.{log}", number)
            for log in READ_BY_US
            for number in group.partitions_for_topic(f"hua.{log}") or ()
        ]
        ends = group.end_offsets(places)
        return sum(ends[place] - (group.committed(place) or 0) for place in places)
