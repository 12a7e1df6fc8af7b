"""Deletes the images of a task at the request of its owner, before their retention ends."""

from __future__ import annotations

from server.services import Services
from server.storage.bucket_keys import callback_key
from server.tasks.lookup import TaskRecord, from_manifest


class ImagesInUseError(Exception):
    """The images cannot be deleted yet."""


async def delete_images(services: Services, record: TaskRecord) -> TaskRecord:
    """The record without its images; unchanged if they are deleted already.

    The manifest comes first: after a crash in between, no link works, and the sweep deletes the files in the end.
    Raises ImagesInUseError, BucketUnavailableError.
    """
    task_id, manifest = record.view.task.id, record.manifest
    if manifest is None:
        raise ImagesInUseError("this task has not ended; cancel it, or wait until it ends")
    if manifest.deleted_at is None:
        if await services.bucket.get(callback_key(task_id)) is not None:
            # All tries of a callback have the same bytes, and they have links to the images.
            raise ImagesInUseError("the callback of this task is not delivered yet; delete its images when it is")
        now = services.clock()
        expires_at = min(now, manifest.expires_at)
        manifest = manifest.model_copy(update={"deleted_at": now, "expires_at": expires_at})
        await services.bucket.put_manifest(manifest)
    await services.bucket.delete([image.key for image in manifest.outcome.images if image.key])
    return from_manifest(manifest)
