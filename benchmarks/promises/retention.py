"""Images expire when they should: not earlier, and their objects are deleted soon after."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Any

import httpx

from benchmarks.promises.trial import Trial, TrialResult, accepted_ids, open_trial
from server.controller.retention_sweep import Sweeper
from server.controller.retry import retry_forever
from server.services import bucket_of
from server.storage.bucket import Bucket, BucketUnavailableError
from server.storage.bucket_keys import IMAGES
from server.task import RETENTION_S

IMAGES_EACH, OTHERS_EACH = 1000, 30
BEFORE_S, AFTER_S, GONE_S = 2.0, 1.0, 60.0
OTHERS = ("24h", "7d", "30d")


async def deletion(scale: float) -> TrialResult:
    """Watches the shortest tier in real time, and sweeps the other tiers with a clock that is set forward."""
    count = max(round(IMAGES_EACH * scale), 20)
    async with open_trial(workers=4, s3_timeout_s="20") as trial:
        bucket = bucket_of(trial.deployment.settings)
        answers = await trial.submit_steadily(20, count / 20, retention="5m")
        views = (await trial.wait_until_ended(accepted_ids(answers))).values()
        others = {tier: await _submit_tier(trial, tier) for tier in OTHERS}
        watcher = asyncio.create_task(_last_listed(bucket, max(map(_expires, views)) + GONE_S + 15))
        readings = await asyncio.gather(*(_read_around_expiry(trial.http, view) for view in views))
        last_listed = await watcher
        late = [at - _expires(view) for view in views for key, at in last_listed.items() if f"/{view['id']}/" in key]
        orphans = len(await bucket.keys(f"{IMAGES}/5m"))
        wrong = sum([await _wrongly_swept(bucket, tier, views) for tier, views in others.items()])
    early, readable = (sum(each) for each in zip(*readings, strict=True))
    return TrialResult(
        f"{len(views)} of 5m: {early} early, {readable} readable {AFTER_S:.0f} s after expiry, objects gone at most "
        f"{max(late):.0f} s after it, {orphans} left; {OTHERS_EACH} each of {', '.join(OTHERS)}: {wrong} swept too "
        "early or too late",
        not early and not readable and max(late) <= GONE_S and not orphans and not wrong,
    )


async def _submit_tier(trial: Trial, tier: str) -> list[dict[str, Any]]:
    answers = await trial.submit_steadily(20, OTHERS_EACH / 20, retention=tier)
    return list((await trial.wait_until_ended(accepted_ids(answers))).values())


def _expires(view: dict[str, Any]) -> float:
    return datetime.fromisoformat(view["images"][0]["expires_at"]).timestamp()


async def _read_around_expiry(http: httpx.AsyncClient, view: dict[str, Any]) -> tuple[bool, bool]:
    """Whether the image was missing just before it expired, and whether it was readable just after."""
    url = view["images"][0]["url"]
    await asyncio.sleep(_expires(view) - BEFORE_S - time.time())
    early = (await http.get(url)).status_code != 200
    await asyncio.sleep(_expires(view) + AFTER_S - time.time())
    return early, (await http.get(url)).status_code == 200


async def _last_listed(bucket: Bucket, until: float) -> dict[str, float]:
    """When each object of the tier was last listed; unix time."""
    listed_at: dict[str, float] = {}
    while time.time() < until:
        try:
            at = time.time()
            listed_at |= {key: at for key, _ in await bucket.keys(f"{IMAGES}/5m")}
        except BucketUnavailableError:
            pass
        await asyncio.sleep(1)
    return listed_at


async def _wrongly_swept(bucket: Bucket, tier: str, views: list[dict[str, Any]]) -> int:
    """Sweeps just before the first image expires, and when the last one must be deleted; counts wrong deletions."""
    life_s = RETENTION_S[tier]
    assert all(abs(_expires(view) - time.time() - life_s) < life_s for view in views)
    await retry_forever(Sweeper(bucket, lambda: min(map(_expires, views)) - 1).sweep_images, "sweeping early")
    remaining = len(await bucket.keys(f"{IMAGES}/{tier}"))
    await retry_forever(Sweeper(bucket, lambda: max(map(_expires, views)) + GONE_S).sweep_images, "sweeping late")
    return len(views) - remaining + len(await bucket.keys(f"{IMAGES}/{tier}"))
