"""Writes the usage record of a settled task to the bucket and to the log."""

from __future__ import annotations

from server.broker import Broker
from server.storage.bucket import Bucket
from server.storage.bucket_keys import usage_key
from server.task import Manifest
from server.tenancy.usage import usage_of


async def record_usage(manifest: Manifest, bucket: Bucket, broker: Broker) -> None:
    """May be repeated: the bucket gets the same object again, and readers of the log count each task id once."""
    usage = usage_of(manifest)
    await bucket.put(usage_key(usage.day, usage.tenant, usage.task), usage.model_dump_json().encode())
    await broker.publish_usage(usage)
