"""The results of earlier tasks as input images: read from the bucket, for the tenant whose tasks they are."""

from __future__ import annotations

from pipelines.params.image_refs import ImageRef
from server.images.codec import BadImageError
from server.services import Services
from server.storage.signed_links import BadSignatureError, LinkExpiredError
from server.tasks.lookup import TaskRecord, UnknownTaskError, find_record


class ResultImages:
    """Finds results by the id of their task, and by their links. Links are not fetched: the address of this server may
    be one that no task may call, and a call would keep a connection of this server busy with itself."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def find(self, reference: ImageRef) -> tuple[str, int] | None:
        """The id of the task and the number of the image; None for any other reference. Raises BadImageError."""
        try:
            return reference.result or self._services.links.image_of(reference)
        except (BadSignatureError, LinkExpiredError) as error:
            raise BadImageError(str(error)) from error

    async def read(self, task_id: str, index: int, tenant: str) -> bytes:
        """The file of the image. Raises BadImageError, QueueUnavailableError, BucketUnavailableError."""
        try:
            record = await find_record(self._services, task_id, tenant)
        except UnknownTaskError as error:
            raise BadImageError(str(error)) from error
        key = _key(record, index)
        manifest = record.manifest
        if manifest is not None and manifest.deleted_at is not None:
            raise BadImageError(f"the images of task {task_id} were deleted at the request of its owner")
        expired = manifest is not None and manifest.expires_at <= self._services.clock()
        data = None if expired else await self._services.bucket.get(key)
        if data is None:
            raise BadImageError(
                f"image {index} of task {task_id} has expired and is deleted; submit that task again, "
                "with a longer retention if its images should be kept longer"
            )
        return data


def _key(record: TaskRecord, index: int) -> str:
    """Where the image is in the bucket. Raises BadImageError if the task has no such image, or it is withheld."""
    task = record.view.task
    if record.manifest is None:
        raise BadImageError(f"task {task.id} has not ended; use its images when it has")
    images = record.manifest.images
    if index >= len(images):
        numbers = f"its images are 0 to {len(images) - 1}" if images else "it has none"
        raise BadImageError(f"task {task.id} has no image {index}; {numbers}")
    if not images[index].safe:
        raise BadImageError(f"image {index} of task {task.id} is withheld and cannot be used; the task says why")
    return images[index].key
