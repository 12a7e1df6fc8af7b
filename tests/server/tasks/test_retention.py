"""Images that their tenant keeps: PUT /v1/tasks/ID/retention, `retention: keep`, and the quota."""

import asyncio

import pytest

from server.controller.kept_sweep import KeptSweeper
from server.controller.orphan_sweep import OrphanSweeper
from server.controller.retention_sweep import DAY_S, Sweeper
from server.queue import DueCallback
from server.queue.memory.queue import MemoryQueue
from server.services import Services
from server.storage.bucket_keys import IMAGES, KEPT, KEPT_MANIFESTS, MANIFESTS, callback_key, manifest_key
from server.storage.kept_images import KeptImages
from server.storage.pending_callbacks import encode_callback
from server.task import KEEP
from tests.support.painter import png_file

SIZE = len(png_file())
KEEPING = {"retention": "keep"}


@pytest.fixture(params=["folder", "s3"])
def overrides(request):
    return {} if request.param == "folder" else request.getfixturevalue("s3_settings")


@pytest.fixture
def paint(client, painting):
    """Submits a task and waits until it has ended."""

    async def paint(images: int = 1, **fields):
        body = {"type": "txt2img.sd", "params": {"text": "a cat", "num_samples": images}, **fields}
        reply = await client.post("/v1/tasks", json=body, headers={"Prefer": "wait=10"})
        assert reply.status_code == 200, reply.text
        return reply.json()

    return paint


@pytest.fixture
def change(client):
    return lambda task, retention: client.put(f"/v1/tasks/{task['id']}/retention", json={"retention": retention})


async def keys(services: Services, prefix: str) -> list[str]:
    return [key for key, _ in await services.bucket.keys(prefix)]


async def pass_by(services: Services, seconds: float) -> None:
    """Runs all sweeps as they run after this time."""
    for sweep in (Sweeper(services.bucket, lambda: services.clock() + seconds),):
        await sweep.sweep_images()
        await sweep.sweep_rest()
    await OrphanSweeper(services.bucket, lambda: services.clock() + seconds).sweep()
    await KeptSweeper(services.bucket, services.queue, services.clock).sweep()


@pytest.mark.parametrize("asked", ["at submission", "afterwards"])
async def test_kept_images_and_their_record_never_go(client, services, paint, change, asked) -> None:
    kept = await paint(2, **(KEEPING if asked == "at submission" else {}))
    other = await paint()
    if asked == "afterwards":
        kept = (await change(kept, "keep")).json()
    assert (kept["retention"], [image["expires_at"] for image in kept["images"]]) == ("keep", [None, None])
    assert (await keys(services, f"{IMAGES}/24h"))[0].split("/")[3] == other["id"]
    await pass_by(services, 400 * DAY_S)
    assert await keys(services, IMAGES) == await keys(services, MANIFESTS) == []
    object.__setattr__(services, "queue", queue := MemoryQueue())  # the task is forgotten
    await queue.open()
    assert (await client.get(f"/v1/tasks/{kept['id']}")).json() == kept
    for image in kept["images"]:
        assert (await client.get(image["url"])).content == png_file()
    assert (await client.get(f"/v1/tasks/{other['id']}")).status_code == 404
    for query in ("", "?retention=keep", "?text=CAT", "?retention=keep&text=cat&status=succeeded&model=toy"):
        listed = (await client.get(f"/v1/tasks{query}")).json()
        assert (listed["total"], [task["id"] for task in listed["tasks"]]) == (1, [kept["id"]])
    assert (await client.get("/v1/tasks?retention=keep&text=dog")).json()["total"] == 0
    assert (await client.get("/v1/tasks?status=failed")).json()["total"] == 0


async def test_retention_changes_in_both_directions(client, services, paint, change) -> None:
    task = await paint()
    for retention in ("keep", "keep", "24h", "7d", "keep", "30d"):
        changed = (await change(task, retention)).json()
        assert changed["retention"] == retention
        assert (changed["images"][0]["expires_at"] is None) == (retention == "keep")
        assert (await client.get(changed["images"][0]["url"])).content == png_file()
        [image] = [*await keys(services, IMAGES), *await keys(services, KEPT)]
        assert retention in image or retention == "keep"
        assert len(await keys(services, KEPT_MANIFESTS)) == (retention == "keep")
    await pass_by(services, 31 * DAY_S)
    assert await keys(services, IMAGES) == []


async def test_what_is_over_or_gone_cannot_be_kept(client, services, paint, change) -> None:
    task, old = await paint(), await paint(retention="5m")
    manifest = await services.bucket.manifest(old["id"])
    await services.bucket.put_manifest(manifest.model_copy(update={"expires_at": services.clock() - 1}))
    reply = await change(old, "keep")
    assert (reply.status_code, reply.json()["error"]["code"]) == (410, "images_gone")
    assert "have expired" in reply.json()["error"]["message"]
    outcome = manifest.outcome.model_copy(update={"finished_at": services.clock() - 301})
    await services.bucket.put_manifest(manifest.model_copy(update={"outcome": outcome}))
    assert (await change(old, "30d")).status_code == 200
    reply = await change(old, "5m")
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "no_retention")
    await client.delete(f"/v1/tasks/{task['id']}/images")
    reply = await change(task, "keep")
    assert (reply.status_code, "request of its owner" in reply.json()["error"]["message"]) == (410, True)


async def test_image_that_is_swept_meanwhile_is_gone(services, paint, change) -> None:
    task = await paint(2)
    await services.bucket.delete([(await services.bucket.manifest(task["id"])).images[1].key])
    assert (await change(task, "keep")).status_code == 410
    assert (await services.bucket.manifest(task["id"])).retention == "24h"


async def test_unfinished_tasks_and_callbacks_are_left_alone(client, services, change) -> None:
    unfinished = (await client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": "x"}})).json()
    assert (await change(unfinished, "keep")).status_code == 409
    assert (await change({"id": "0" * 32}, "keep")).status_code == 404
    assert (await change(unfinished, "1y")).status_code == 422


async def test_images_of_a_waiting_callback_are_not_moved(services, paint, change) -> None:
    task = await paint()
    await services.bucket.put(callback_key(task["id"]), encode_callback(DueCallback(task["id"], 2**40)))
    assert (await change(task, "keep")).json()["error"]["code"] == "images_in_use"


class TestQuota:
    @pytest.fixture
    def overrides(self, request):
        return {"keep_bytes": 2 * SIZE + 1}

    async def test_is_exact_however_many_ask_at_once_and_deletion_frees_it(self, client, paint, change) -> None:
        tasks = [await paint() for _ in range(6)]
        replies = await asyncio.gather(*(change(task, "keep") for task in tasks))
        assert sorted(reply.status_code for reply in replies) == [200, 200, 409, 409, 409, 409]
        refused = next(reply.json()["error"] for reply in replies if reply.status_code == 409)
        assert refused["code"] == "keep_limit"
        assert "GET /v1/tasks?retention=keep" in refused["message"]
        assert "keep_bytes" in refused["message"]
        use = {"count": 2, "bytes": 2 * SIZE, "max_bytes": 2 * SIZE + 1}
        assert (await client.get("/v1/kept")).json() == (await client.get("/v1/usage")).json()["kept"] == use
        kept, other = (
            next(task for task, reply in zip(tasks, replies, strict=True) if reply.status_code == status)
            for status in (200, 409)
        )
        await client.delete(f"/v1/tasks/{kept['id']}/images")
        assert (await client.get("/v1/kept")).json()["count"] == 1
        assert (await change(other, "keep")).status_code == 200

    async def test_task_without_room_at_its_end_says_so(self, client, paint) -> None:
        task = await paint(3, **KEEPING)
        assert (task["retention"], task["images"][0]["expires_at"] is None) == ("30d", False)
        assert "not kept, but deleted after 30d: keep limit" in task["warnings"][0]
        await paint(2, **KEEPING)

    async def test_submission_is_refused_once_the_quota_is_used(self, client, services, paint) -> None:
        await services.bucket.put(f"{KEPT}/anonymous/0-{'0' * 32}/0.png", b"0" * (2 * SIZE + 1))
        body = {"type": "txt2img.sd", "params": {"text": "x"}, **KEEPING}
        reply = await client.post("/v1/tasks", json=body)
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "keep_limit")

    async def test_what_killed_processes_left_does_not_count(self, services, paint, change) -> None:
        killed, task = await paint(2), await paint(2)
        kept = KeptImages(services.bucket, services.queue, services.clock)
        await kept.copy(await services.bucket.manifest(killed["id"]), KEEP, 2 * SIZE)
        assert (await kept.total("anonymous")).count == 2
        assert (await change(task, "keep")).status_code == 200
        assert (await kept.total("anonymous")).count == 2

    async def test_sweep_repairs_what_was_interrupted(self, services, paint, change) -> None:
        killed, half = await paint(), await paint()
        kept = KeptImages(services.bucket, services.queue, services.clock)
        await kept.copy(await services.bucket.manifest(killed["id"]), KEEP, SIZE)
        await KeptSweeper(services.bucket, services.queue, services.clock).sweep()
        assert await keys(services, KEPT) == []
        await change(half, "keep")
        [copy] = await keys(services, KEPT_MANIFESTS)
        await services.bucket.delete([copy])
        await KeptSweeper(services.bucket, services.queue, services.clock).sweep()
        assert await keys(services, KEPT_MANIFESTS) == [copy]


@pytest.mark.parametrize("overrides", [{}], indirect=False)
async def test_damaged_manifest_of_kept_images_is_rebuilt_from_its_copy(services, paint) -> None:
    task = await paint(**KEEPING)
    manifest = await services.bucket.manifest(task["id"])
    await services.bucket.put(manifest_key(task["id"]), b"{")
    assert await services.bucket.manifest(task["id"]) == manifest
