"""The keys of all objects in the bucket.

The key of an image contains the half minute in which it expires, so the sweeper finds expired images by listing, and
needs no index that could be lost.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from server.task import Retention, Task

MOMENT, MOMENT_S = "%Y%m%dT%H%M%S", 30
"""Images are deleted at full and half minutes, so each is gone within a minute after it expires."""
IMAGES, MANIFESTS, UPLOADS = "images", "manifests", "uploads"
CALLBACKS, DEAD_CALLBACKS, CHECKS = "callbacks", "callbacks-dead", "checks"
USAGE, OPTIONS, STYLES = "usage", "options", "styles"
KEPT, KEPT_MANIFESTS = "kept", "kept-manifests"
MOVED = "moved"
"""In the place of the attempt in the keys of images that were moved to another retention."""
KNOWN_LOG = "log.json"


def image_key(retention: Retention, expires_at: float, task_id: str, attempt: str, name: str) -> str:
    """The key of one file of one attempt. Attempts never share keys, so a late attempt overwrites nothing."""
    return f"{IMAGES}/{retention}/{_moment(math.floor(expires_at / MOMENT_S) + 1)}/{task_id}/{attempt}/{name}"


def swept_at(key: str) -> float:
    """The unix time from which an image, or all of `images/<retention>/<moment>`, may be deleted.

    Infinite for a key that `image_key` did not build: such objects are never deleted.
    """
    try:
        _, _, moment, *_ = key.split("/")
        at = datetime.strptime(moment, MOMENT).replace(tzinfo=UTC)
    except ValueError:
        return math.inf
    return at.timestamp() if at.strftime(MOMENT) == moment else math.inf  # strptime also accepts missing digits


def moments_between(past: float, now: float) -> list[str]:
    """The moments, in the form of keys, after `past` and up to `now` (unix seconds)."""
    first = math.floor(past / MOMENT_S) + 1
    return [_moment(number) for number in range(first, int(now // MOMENT_S) + 1)]


def _moment(number: int) -> str:
    return datetime.fromtimestamp(MOMENT_S * number, UTC).strftime(MOMENT)


def moved_key(retention: Retention, expires_at: float, task: Task, name: str) -> str:
    """The key of an image that was moved to this retention."""
    return image_key(retention, expires_at, task.id, MOVED, name)


def kept_key(task: Task, name: str) -> str:
    """The key of an image that is kept without end, in a folder of its task. Names of newer tasks come later."""
    return f"{KEPT}/{task.tenant}/{int(task.created_at * 1000):013d}-{task.id}/{name}"


def kept_manifest_key(task_id: str) -> str:
    """A copy of the manifest of a task whose images are kept, which outlives the manifest."""
    return f"{KEPT_MANIFESTS}/{task_id}.json"


def manifest_key(task_id: str) -> str:
    return f"{MANIFESTS}/{task_id}.json"


def callback_key(task_id: str) -> str:
    """A callback that is still to be delivered; deleted after its delivery."""
    return f"{CALLBACKS}/{task_id}.json"


def dead_callback_key(task_id: str) -> str:
    """A callback that was given up; kept so that operators can inspect it."""
    return f"{DEAD_CALLBACKS}/{task_id}.json"


def upload_key(tenant: str, file_id: str) -> str:
    return f"{UPLOADS}/{tenant}/{file_id}"


def options_key(tenant: str, key: str) -> str:
    """What a dialect stores for one API key of a tenant; `key` are digits of its hash."""
    return f"{OPTIONS}/{tenant}/{key or 'anonymous'}.json"


def style_key(tenant: str, code: str) -> str:
    """A picture whose style a tenant refers to by this code."""
    return f"{STYLES}/{tenant}/{code}"


def usage_prefix(day: str, tenant: str) -> str:
    """The prefix of the usage records of a tenant's tasks that ended on a day, YYYY-MM-DD in UTC."""
    return f"{USAGE}/{day}/{tenant}"


def usage_key(day: str, tenant: str, task_id: str) -> str:
    return f"{usage_prefix(day, tenant)}/{task_id}.json"
