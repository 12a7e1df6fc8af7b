"""For how long the images of a task stay: as its submission asks, and as its owner changes it afterwards."""

from __future__ import annotations

from dataclasses import dataclass

from server.services import Services
from server.storage.bucket_keys import callback_key
from server.storage.kept_images import KeepLimitError, KeptImages, KeptTotal
from server.task import KEEP, RETENTION_S, AnyRetention, Manifest, Retention
from server.tasks.lookup import TaskRecord, UnknownTaskError, from_manifest
from server.tenancy.policy import NotAllowedError, TenantPolicy


class ImagesInUseError(Exception):
    """The images cannot be deleted or moved yet."""


@dataclass(frozen=True, slots=True)
class KeptUse:
    """What a tenant keeps without end, and how many bytes it may."""

    total: KeptTotal
    max_bytes: int


@dataclass(frozen=True, slots=True)
class StoredFor:
    """The fields `retention` and `keep_bytes` of a task."""

    retention: Retention
    keep_bytes: int | None = None


def kept_images(services: Services) -> KeptImages:
    return KeptImages(services.bucket, services.queue, services.clock)


async def kept_use(services: Services, tenant: str) -> KeptUse:
    return KeptUse(await kept_images(services).total(tenant), _keep_bytes(services, tenant))


async def choose_retention(services: Services, tenant: str, requested: AnyRetention | None) -> StoredFor:
    """For a new task. Images that are to be kept are stored for the longest other retention until the task is settled.

    If the default retention is not allowed for the tenant, its first allowed one is used. Raises NotAllowedError,
    KeepLimitError, BucketUnavailableError.
    """
    allowed, default = services.tenants.policy(tenant).retentions, services.settings.retention
    retention = requested or (default if default in allowed else allowed[0])
    _refuse_unless_allowed(services.tenants.policy(tenant), retention)
    if retention != KEEP:
        return StoredFor(retention)
    use = await kept_use(services, tenant)
    if use.total.bytes >= use.max_bytes:
        raise KeepLimitError(use.total, 0, use.max_bytes)
    timed = [each for each in allowed if each != KEEP]
    return StoredFor(max(timed, key=RETENTION_S.__getitem__, default=default), use.max_bytes)


async def change_retention(services: Services, record: TaskRecord, retention: AnyRetention) -> TaskRecord:
    """The record after its images were moved. It may be repeated after a failure.

    Raises NotAllowedError, ImagesInUseError, ImagesGoneError, NoRetentionError, KeepLimitError,
    BucketUnavailableError, QueueUnavailableError.
    """
    tenant = record.view.task.tenant
    _refuse_unless_allowed(services.tenants.policy(tenant), retention)
    kept = kept_images(services)
    async with kept.lock(tenant):
        manifest = await changeable_manifest(services, record)
        changed = await kept.copy(manifest, retention, _keep_bytes(services, tenant))
        await kept.replace(manifest, changed)
    return from_manifest(changed)


async def changeable_manifest(services: Services, record: TaskRecord) -> Manifest:
    """The manifest as it is now. The caller has the lock of the tenant. Raises ImagesInUseError."""
    task_id = record.view.task.id
    if record.manifest is None:
        raise ImagesInUseError("this task has not ended; cancel it, or wait until it ends")
    if await services.bucket.get(callback_key(task_id)) is not None:
        # All tries of a callback have the same bytes, and they have links to the images.
        raise ImagesInUseError("the callback of this task is not delivered yet; change or delete its images when it is")
    manifest = await services.bucket.manifest(task_id)
    if manifest is None:
        raise UnknownTaskError(task_id)
    return manifest


def _keep_bytes(services: Services, tenant: str) -> int:
    policy = services.tenants.policy(tenant)
    return services.settings.keep_bytes if policy.keep_bytes is None else policy.keep_bytes


def _refuse_unless_allowed(policy: TenantPolicy, retention: AnyRetention) -> None:
    """Raises NotAllowedError."""
    if retention not in policy.retentions:
        raise NotAllowedError("retention", retention, policy.retentions)
