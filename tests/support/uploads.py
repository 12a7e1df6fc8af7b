"""The image files of tenants in a bucket of a test."""

import time
from collections.abc import Callable

from server.settings import Settings
from server.storage.bucket import Bucket
from server.tenancy.tenants import Tenants
from server.tenancy.uploads import Uploads


def uploads_in(bucket: Bucket, clock: Callable[[], float] = time.monotonic, **limits: int) -> Uploads:
    """`limits` are settings: upload_count, upload_bytes."""
    settings = Settings(**limits)
    return Uploads(bucket, Tenants(settings), settings, clock)
