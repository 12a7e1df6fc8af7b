"""The image files that tenants store: uploads, and the input images of tasks. Each is kept for a day."""

from __future__ import annotations

import asyncio
import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from server.settings import Settings
from server.storage.bucket import Bucket
from server.storage.bucket_keys import UPLOADS, upload_key
from server.tenancy.tenants import Tenants

COUNT_EVERY_S = 60.0
"""The bucket is counted at most this often for each tenant, because many files take many requests."""


class UploadLimitError(Exception):
    """The tenant stores as many image files as it may."""

    headers: Mapping[str, str] = {}
    """No Retry-After: files are deleted a day after they were stored."""

    def __init__(self, stored: FileTotal, limit: FileTotal) -> None:
        super().__init__(
            f"upload limit: {stored.count} image files with {stored.bytes} bytes are stored, and {limit.count} with "
            f"{limit.bytes} bytes are allowed; each file is deleted a day after it was sent. Wait, send smaller images "
            "or URLs, or ask the operator for a higher upload_count or upload_bytes"
        )


@dataclass(frozen=True, slots=True)
class FileTotal:
    """A number of files, and their bytes in all."""

    count: int
    bytes: int

    def __add__(self, other: FileTotal) -> FileTotal:
        return FileTotal(self.count + other.count, self.bytes + other.bytes)

    def exceeds(self, limit: FileTotal) -> bool:
        return self.count > limit.count or self.bytes > limit.bytes


@dataclass(slots=True)
class TenantFiles:
    """What is known of one tenant: what the bucket had when it was counted, and what was stored here since."""

    total: FileTotal = FileTotal(0, 0)
    counted_at: float = -math.inf
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Uploads:
    """Stores image files under their ids, within the limits of each tenant.

    Each api process counts the bucket once a minute and adds what it stores itself. So several of them together may
    exceed a limit by what they store in a minute. Equal bytes have equal ids, so a file that is sent again counts once.

    clock: monotonic seconds. Every method raises BucketUnavailableError.
    """

    def __init__(
        self, bucket: Bucket, tenants: Tenants, settings: Settings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bucket = bucket
        self._tenants = tenants
        self._settings = settings
        self._clock = clock
        self._files: defaultdict[str, TenantFiles] = defaultdict(TenantFiles)

    def limit(self, tenant: str) -> FileTotal:
        policy = self._tenants.policy(tenant)
        return FileTotal(
            policy.upload_count or self._settings.upload_count, policy.upload_bytes or self._settings.upload_bytes
        )

    async def total(self, tenant: str) -> FileTotal:
        """What the tenant stores now; files of other api processes may be missing for a minute."""
        files = self._files[tenant]
        async with files.lock:
            return await self._total(tenant, files)

    async def get(self, tenant: str, upload_id: str) -> bytes | None:
        return await self._bucket.get(upload_key(tenant, upload_id))

    async def put(self, tenant: str, files_by_id: Mapping[str, bytes]) -> None:
        """Stores all of these files, or none of them. Raises UploadLimitError."""
        if not files_by_id:
            return
        new = [data for upload_id, data in files_by_id.items() if not await self._is_stored(tenant, upload_id)]
        files = self._files[tenant]
        async with files.lock:
            stored, limit = await self._total(tenant, files), self.limit(tenant)
            total = stored + FileTotal(len(new), sum(map(len, new)))
            if new and total.exceeds(limit):
                raise UploadLimitError(stored, limit)
            files.total = total
        try:
            for upload_id, data in files_by_id.items():
                await self._bucket.put(upload_key(tenant, upload_id), data)
        except BaseException:
            files.counted_at = -math.inf  # what was not written must not count
            raise

    async def renew(self, tenant: str, upload_id: str) -> None:
        """Starts the day of a stored file again."""
        data = await self.get(tenant, upload_id)
        if data is not None:
            await self._bucket.put(upload_key(tenant, upload_id), data)

    async def _is_stored(self, tenant: str, upload_id: str) -> bool:
        return await self._bucket.get_part(upload_key(tenant, upload_id), 0, 1) is not None

    async def _total(self, tenant: str, files: TenantFiles) -> FileTotal:
        if self._clock() >= files.counted_at + COUNT_EVERY_S:
            files.total = FileTotal(*await self._bucket.measure(f"{UPLOADS}/{tenant}"))
            files.counted_at = self._clock()
        return files.total
