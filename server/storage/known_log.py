"""Which logs belong to the bucket: an object that names them, so that the loss of either is noticed."""

from __future__ import annotations

import logging

from pydantic import BaseModel, ValidationError

from server.storage.bucket import Bucket
from server.storage.bucket_keys import KNOWN_LOG

log = logging.getLogger(__name__)
RESULT_KEPT_S = 40 * 86_400.0
"""How long manifests are kept, and so how long a loss matters."""


class KnownLog(BaseModel):
    id: str
    """`Broker.log_id` when the logs were last read."""
    lost_at: float | None = None
    """Unix time at which other logs were found in place of known ones; None if that never happened."""

    def has_lost_tasks(self, now: float) -> bool:
        """Whether an unknown task may have been in logs that were lost."""
        return self.lost_at is not None and now - self.lost_at < RESULT_KEPT_S


async def read_known_log(bucket: Bucket) -> KnownLog | None:
    """None if the bucket is new or was emptied, or if the object is damaged; the controller then writes it again."""
    saved = await bucket.get(KNOWN_LOG)
    try:
        return None if saved is None else KnownLog.model_validate_json(saved)
    except ValidationError:
        log.error("%s is damaged, and the controller writes it again", KNOWN_LOG)
        return None


async def save_known_log(bucket: Bucket, known: KnownLog) -> None:
    await bucket.put(KNOWN_LOG, known.model_dump_json().encode())
