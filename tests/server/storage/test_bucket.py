import asyncio
import os
import time
from pathlib import Path

import pytest

from server.process import disk_space
from server.settings import Settings
from server.storage.bucket import Bucket, BucketUnavailableError
from server.storage.bucket_keys import manifest_key
from server.storage.manifest import manifest_of
from server.storage.s3 import open_bucket
from server.task import Manifest, Outcome, Status, Task


@pytest.fixture(params=["folder", "s3"])
def bucket(request, tmp_path, s3_settings) -> Bucket:
    """All tests run with a folder and with S3."""
    if request.param == "folder":
        return Bucket.folder(tmp_path / "bucket")
    return open_bucket(Settings(**s3_settings))


@pytest.fixture
def manifest() -> Manifest:
    task = Task(id="1" * 32, type="t", params={"text": "画"}, tenant="t", created_at=0.1)
    outcome = Outcome(task=task, attempt="a", status=Status.SUCCEEDED, finished_at=0.1 + 0.2, timings={"run": 1 / 3})
    return Manifest(outcome=outcome, expires_at=1e9 + 1 / 3)


async def test_get_returns_the_last_put(bucket) -> None:
    assert await bucket.get("a/b") is None
    for data in (b"", b"first", b"the second"):
        await bucket.put("a/b", data)
        assert await bucket.get("a/b") == data


async def test_put_is_atomic_for_readers(bucket) -> None:
    whole = {bytes([letter]) * 500_000 for letter in b"xyz"}
    await bucket.put("a", b"x" * 500_000)

    async def write() -> None:
        for _ in range(10):
            for data in whole:
                await bucket.put("a", data)

    writing = asyncio.create_task(write())
    while not writing.done():
        assert await bucket.get("a") in whole
    await writing


async def test_delete_ignores_missing_keys(bucket) -> None:
    await bucket.put("a/there", b"x")
    await bucket.delete(["a/gone", "a/there", "a/there"])
    assert await bucket.get("a/there") is None
    await bucket.delete([])


async def test_measure_counts_what_is_below_a_prefix(bucket) -> None:
    for key, data in {"uploads/red/1": b"123", "uploads/red/2": b"4567", "uploads/redder/1": b"12345"}.items():
        await bucket.put(key, data)
    assert await bucket.measure("uploads/red") == (2, 7)
    assert await bucket.measure("uploads/blue") == (0, 0)


async def test_folders_and_keys_list_a_prefix(bucket) -> None:
    for key in ("images/24h/2/x/1.png", "images/24h/1/y/1.png", "images/24h/1/y/2.png", "images/5m/3/z/1.png"):
        await bucket.put(key, b"x")
    assert await bucket.folders("images") == ["24h", "5m"]
    assert await bucket.folders("images/24h") == ["1", "2"]
    assert sorted(key for key, _ in await bucket.keys("images/24h/1")) == [
        "images/24h/1/y/1.png",
        "images/24h/1/y/2.png",
    ]
    assert all(abs(written_at - time.time()) < 60 for _, written_at in await bucket.keys("images"))
    assert await bucket.folders("nowhere") == []
    assert await bucket.keys("nowhere") == []
    assert await bucket.keys("image") == [], "a prefix is a folder, not the beginning of a name"


async def test_get_part_returns_a_range(bucket) -> None:
    await bucket.put("a", bytes(range(100)))
    assert await bucket.get_part("a", 10, 13) == bytes((10, 11, 12))
    assert await bucket.get_part("a", 98, 100) == bytes((98, 99))
    assert await bucket.get_part("b", 0, 1) is None


async def test_more_than_one_page_is_listed_and_deleted(bucket) -> None:
    keys = [f"images/24h/1/{number:04}" for number in range(1003)]
    for first in range(0, len(keys), 100):
        await asyncio.gather(*(bucket.put(key, b"x") for key in keys[first : first + 100]))
    assert sorted(key for key, _ in await bucket.keys("images")) == keys
    assert [len(page) async for page in bucket.pages("images")] == [1000, 3]
    await bucket.delete([*keys[1:], "images/24h/1/gone"])
    assert [key for key, _ in await bucket.keys("images")] == keys[:1]


async def test_stored_manifest_is_equal(bucket, manifest) -> None:
    assert await bucket.manifest(manifest.task.id) is None
    await bucket.put_manifest(manifest)
    assert await bucket.manifest(manifest.task.id) == manifest


@pytest.mark.parametrize("data", [b"", b"{", b'{"expires_at": 1}', b"\xff\x00"])
async def test_damaged_manifest_counts_as_missing_if_the_log_lacks_it_too(bucket, data, caplog) -> None:
    await bucket.put(manifest_key("x"), data)
    assert await asyncio.gather(*(bucket.manifest("x") for _ in range(3))) == [None] * 3
    assert caplog.text.count("manifests/x.json cannot be rebuilt") == 1, "the log is searched once"


@pytest.mark.parametrize("data", [b"", b"{"])
async def test_damaged_manifest_is_rebuilt_from_the_log(tmp_path, manifest, data) -> None:
    searches = []

    async def find_outcome(task_id: str) -> Outcome | None:
        searches.append(task_id)
        return manifest.outcome

    bucket, task_id = Bucket.folder(tmp_path, find_outcome), manifest.task.id
    await bucket.put(manifest_key(task_id), data)
    found = await asyncio.gather(*(bucket.manifest(task_id) for _ in range(5)))
    assert {each.outcome.attempt for each in found} == {manifest.outcome.attempt}
    assert await bucket.get(manifest_key(task_id)) == manifest_of(manifest.outcome).model_dump_json().encode()
    assert searches == [task_id]


async def test_folder_put_syncs_the_file_and_its_folders(tmp_path, monkeypatch) -> None:
    """Instead of a power cut: when `put` returns, the file and all folders above it have been synced."""
    synced: list[Path] = []
    fsync = os.fsync

    def record_fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", record_fsync)
    await Bucket.folder(tmp_path).put("manifests/deep/x.json", b"x")
    assert synced == [
        tmp_path / "manifests/deep/x.json",
        tmp_path / "manifests/deep",
        tmp_path / "manifests",
        tmp_path,
    ]


async def test_folder_is_deleted_with_its_last_file(tmp_path) -> None:
    bucket = Bucket.folder(tmp_path / "bucket")
    await bucket.put("images/24h/1/t/a/0.png", b"x")
    await bucket.delete(["images/24h/1/t/a/0.png"])
    assert list((tmp_path / "bucket").iterdir()) == []
    await bucket.put("images/24h/1/t/a/0.png", b"x")


async def test_full_disk_is_found_before_a_write(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(disk_space, "LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(BucketUnavailableError, match="KiB left"):
        await Bucket.folder(tmp_path).check()


async def test_write_error_is_one_line(tmp_path) -> None:
    bucket = Bucket.folder(tmp_path / "bucket")
    (tmp_path / "bucket" / "images").write_text("a file where a folder should be")
    with pytest.raises(BucketUnavailableError, match=r"failed to write images/24h/x.*is not full") as caught:
        await bucket.put("images/24h/x", b"x")
    assert "\n" not in str(caught.value)
