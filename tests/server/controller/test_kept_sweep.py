"""Changes of the retention that are interrupted at any point lose no image, and leave nothing behind."""

import itertools

import pytest

from server.controller.kept_sweep import KeptSweeper
from server.queue import QueueUnavailableError
from server.storage.bucket import BucketUnavailableError
from server.storage.bucket_keys import IMAGES, KEPT, KEPT_MANIFESTS, image_key
from server.storage.kept_images import KeptImages
from server.storage.manifest import manifest_of
from server.task import KEEP
from tests.support.clock import NOW, Clock

LIMIT = 2


@pytest.mark.parametrize(("before", "after"), [("24h", "keep"), ("keep", "24h"), ("24h", "7d"), ("keep", "deleted")])
async def test_interrupted_change_loses_nothing(
    bucket, queue, make_task, make_outcome, fated, new_fate, before, after
) -> None:
    clock = Clock(NOW)
    for fatal in itertools.count(1):
        task = make_task()
        images = {image_key("24h", NOW + 86_400, task.id, "a", f"{index}.png"): bytes([index]) for index in range(2)}
        for key, data in images.items():
            await bucket.put(key, data)
        manifest = manifest_of(make_outcome(task, keys=images, finished_at=NOW))
        await bucket.put_manifest(manifest)
        whole = KeptImages(bucket, queue, clock)
        if before == "keep":
            kept = await whole.copy(manifest, KEEP, LIMIT)
            await whole.replace(manifest, kept)
            manifest = kept
        fate = new_fate(BucketUnavailableError("killed"), fatal)
        dying = KeptImages(fated(bucket, fate), queue, clock)
        died = False
        try:
            changed = manifest.model_copy(update={"deleted_at": NOW, "expires_at": NOW})
            if after != "deleted":
                changed = await dying.copy(manifest, after, LIMIT)
            await dying.replace(manifest, changed)
        except BucketUnavailableError:
            died = True
        found = await bucket.manifest(task.id)
        if found.deleted_at is None:
            assert [await bucket.get(image.key) for image in found.images] == list(images.values())
        await KeptSweeper(bucket, queue, clock).sweep()
        if found.kept:
            assert [await bucket.get(image.key) for image in found.images] == list(images.values())
        assert len(await bucket.keys(KEPT)) == 2 * found.kept
        assert len(await bucket.keys(KEPT_MANIFESTS)) == found.kept
        for prefix in (IMAGES, KEPT, KEPT_MANIFESTS):
            await bucket.delete([key for key, _ in await bucket.keys(prefix)])
        if not died:
            break
    assert fatal > 6


async def test_only_one_changes_what_a_tenant_keeps(bucket, queue) -> None:
    kept = KeptImages(bucket, queue)
    async with kept.lock("a"):
        assert not await queue.lock("keep:a", "other")
        async with kept.lock("b"):
            pass
    assert await queue.lock("keep:a", "other")


async def test_lock_is_given_back_after_an_error(bucket, queue) -> None:
    with pytest.raises(QueueUnavailableError):
        async with KeptImages(bucket, queue).lock("a"):
            raise TimeoutError
    assert await queue.lock("keep:a", "other")
