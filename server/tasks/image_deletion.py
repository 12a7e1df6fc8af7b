"""Deletes the images of a task at the request of its owner, before their retention ends."""

from __future__ import annotations

from server.services import Services
from server.tasks.lookup import TaskRecord, from_manifest
from server.tasks.retention import changeable_manifest, kept_images


async def delete_images(services: Services, record: TaskRecord) -> TaskRecord:
    """The record without its images; unchanged if they are deleted already.

    The manifest comes first: after a crash in between, no link works, and the sweep deletes the files in the end.
    Raises ImagesInUseError, BucketUnavailableError, QueueUnavailableError.
    """
    kept = kept_images(services)
    async with kept.lock(record.view.task.tenant):
        manifest = await changeable_manifest(services, record)
        deleted = manifest
        if manifest.deleted_at is None:
            now = services.clock()
            expires_at = min(now, manifest.expires_at)
            deleted = manifest.model_copy(update={"deleted_at": now, "expires_at": expires_at})
        await kept.replace(manifest, deleted)
    return from_manifest(deleted)
