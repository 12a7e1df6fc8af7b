"""The manifest of a task as a function of its first outcome, so that it can be written again from the log."""

from __future__ import annotations

from server.storage.bucket_keys import swept_at
from server.task import RETENTION_S, Manifest, Outcome


def manifest_of(outcome: Outcome) -> Manifest:
    """It expires with the retention, or at the sweep if that is earlier, so that no link outlives its image."""
    ends = outcome.finished_at + RETENTION_S[outcome.task.retention]
    return Manifest(outcome=outcome, expires_at=min([ends, *(swept_at(image.key) for image in outcome.images)]))
