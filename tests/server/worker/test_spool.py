"""What waits on disk is published later, by the same worker or by the next one after a kill, and only once."""

import asyncio
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from server.broker import BrokerUnavailableError
from server.broker.sqlite.broker import SQLiteBroker
from server.storage.bucket import Bucket, BucketUnavailableError
from server.storage.bucket_keys import image_key, swept_at
from server.task import Image, Manifest, Outcome, Status, Task
from server.worker.spool import ImageMissingError, Spool

NOW, DAY_S = 1_700_000_000.0, 86_400.0


class AwayBucket(Bucket):
    """Away while `away` is true."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.away = False

    async def put(self, key: str, data: bytes) -> None:
        if self.away:
            raise BucketUnavailableError("away")
        await super().put(key, data)


class AwayBroker(SQLiteBroker):
    """Away while `away` is true; also records its outcomes."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.away, self.outcomes = False, list[Outcome]()

    async def publish_outcome(self, outcome: Outcome) -> None:
        if self.away:
            raise BrokerUnavailableError("away")
        await super().publish_outcome(outcome)
        self.outcomes.append(outcome)


@pytest.fixture
def bucket() -> AwayBucket:
    return AwayBucket()


@pytest.fixture
async def broker(tmp_path):
    broker = AwayBroker(tmp_path / "logs.sqlite")
    yield broker
    await broker.close()


@pytest.fixture
def new_spool(bucket, broker, tmp_path):
    """Creates spools of several workers in one folder."""
    spools = []

    def new(max_bytes: int = 100, now: float = NOW) -> Spool:
        spools.append(Spool(bucket, broker, tmp_path / "spool", max_bytes, clock=lambda: now))
        return spools[-1]

    yield new
    for spool in spools:
        spool.close()


def kill(spool: Spool) -> None:
    """Releases the lock as the kernel does when a process ends: no public verb does that, hence the private member."""
    spool._own_folder.release()
    spool._own_folder = None


def new_outcome(at: float = NOW, attempt: str = "a") -> Outcome:
    task = Task(id="0" * 32, type="txt2img.sd", params={}, tenant="t", created_at=at)
    key = image_key("24h", at + DAY_S, task.id, attempt, "0.png")
    image = Image(key=key, width=8, height=8, bytes=3, sha256="")
    return Outcome(task=task, attempt=attempt, status=Status.SUCCEEDED, images=(image,), finished_at=at)


def key_of(outcome: Outcome) -> str:
    return outcome.images[0].key


async def publish_while_away(spool: Spool, bucket: AwayBucket, outcome: Outcome) -> None:
    """The bucket stays away: image and outcome are left on disk."""
    bucket.away = True
    await spool.put(key_of(outcome), b"png")
    with pytest.raises(BucketUnavailableError):
        await spool.publish(outcome)


def on_disk(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "spool").rglob("*") if file.is_file() and file.name != "lock")


async def test_spool_leaves_the_disk_alone_while_the_bucket_is_there(new_spool, bucket, broker, tmp_path) -> None:
    spool, outcome = new_spool(), new_outcome()
    await spool.put(key_of(outcome), b"png")
    await spool.publish(outcome)
    assert (await bucket.get(key_of(outcome)), broker.outcomes) == (b"png", [outcome])
    assert not (tmp_path / "spool").exists()


async def test_outcome_waits_until_its_images_are_in_the_bucket(new_spool, bucket, broker, tmp_path) -> None:
    spool, outcome = new_spool(), new_outcome()
    await publish_while_away(spool, bucket, outcome)
    assert broker.outcomes == []
    bucket.away, broker.away = False, True
    with pytest.raises(BrokerUnavailableError):
        await spool.publish(outcome)
    assert on_disk(tmp_path) == ["0.png", "a.outcome"]
    broker.away = False
    await spool.publish(outcome)
    assert (await bucket.get(key_of(outcome)), broker.outcomes) == (b"png", [outcome])
    assert on_disk(tmp_path) == []
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


async def test_concurrent_images_share_one_folder(new_spool, bucket, broker, tmp_path) -> None:
    for number in range(20):
        spool, outcomes = new_spool(), [new_outcome(attempt=f"{number}-{index}") for index in range(8)]
        bucket.away = True
        await asyncio.gather(*(spool.put(key_of(outcome), b"png") for outcome in outcomes))
        bucket.away = False
        for outcome in outcomes:
            await spool.publish(outcome)
            assert await bucket.get(key_of(outcome)) == b"png"
        spool.close()


async def test_outcome_whose_image_is_missing_is_not_published(new_spool, bucket, broker, tmp_path) -> None:
    spool, outcome = new_spool(), new_outcome()
    bucket.away = True
    await spool.put(key_of(outcome), b"png")
    bucket.away = False
    next((tmp_path / "spool").rglob("0.png")).unlink()
    with pytest.raises(ImageMissingError):
        await spool.publish(outcome)
    assert broker.outcomes == []


async def test_leftovers_of_a_killed_worker_are_published(new_spool, bucket, broker, tmp_path) -> None:
    first, outcome = new_spool(), new_outcome()
    await publish_while_away(first, bucket, outcome)
    alive = new_spool()
    await alive.publish_leftovers()  # the first one is still alive
    assert broker.outcomes == []
    kill(first)
    following = asyncio.create_task(new_spool().publish_leftovers())
    await asyncio.sleep(0.05)
    assert broker.outcomes == []
    bucket.away = False
    await following
    assert (await bucket.get(key_of(outcome)), broker.outcomes) == (b"png", [outcome])
    assert list((tmp_path / "spool").iterdir()) == []


async def test_leftovers_of_ended_tasks_are_deleted(new_spool, bucket, broker, tmp_path) -> None:
    first, outcome = new_spool(), new_outcome()
    await publish_while_away(first, bucket, outcome)
    bucket.away = False
    await bucket.put_manifest(Manifest(outcome=new_outcome(attempt="b"), expires_at=NOW + DAY_S))
    kill(first)
    await new_spool().publish_leftovers()
    assert (await bucket.get(key_of(outcome)), broker.outcomes) == (None, [])
    assert list((tmp_path / "spool").iterdir()) == []


async def test_retention_starts_when_an_image_reaches_the_bucket(new_spool, bucket, broker) -> None:
    """However long they waited, and whichever worker publishes them."""
    first, outcome = new_spool(), new_outcome()
    await publish_while_away(first, bucket, outcome)
    bucket.away = False
    kill(first)
    await new_spool(now=NOW + 2 * DAY_S).publish_leftovers()
    (published,) = broker.outcomes
    assert await bucket.get(key_of(published)) == b"png"
    assert published.finished_at == NOW + 2 * DAY_S
    assert swept_at(key_of(published)) > NOW + 3 * DAY_S
    assert key_of(published).endswith("/a/0.png")


async def test_waiting_images_are_limited_and_make_room_again(new_spool, bucket, tmp_path) -> None:
    """I17"""
    spool, first, second = new_spool(max_bytes=5), new_outcome(attempt="a"), new_outcome(attempt="b")
    bucket.away = True
    await spool.put(key_of(first), b"png")
    with pytest.raises(BucketUnavailableError):
        await spool.put(key_of(second), b"png")
    spool.drop(first)
    await spool.put(key_of(second), b"png")
    assert on_disk(tmp_path) == ["0.png"]


async def test_drop_deletes_images_of_a_failed_attempt(new_spool, bucket, tmp_path) -> None:
    """Its outcome names none of them, so they would take room until the worker ends."""
    spool, first = new_spool(max_bytes=5), new_outcome(attempt="a")
    bucket.away = True
    await spool.put(key_of(first), b"png")
    spool.drop(first.model_copy(update={"status": Status.FAILED, "images": ()}))
    assert on_disk(tmp_path) == []
    await spool.put(key_of(new_outcome(attempt="b")), b"png")


async def test_unwritable_disk_is_as_no_disk(new_spool, bucket, broker, tmp_path) -> None:
    (tmp_path / "spool").write_text("in the way")
    spool, outcome = new_spool(), new_outcome()
    await spool.publish_leftovers()
    bucket.away = True
    with pytest.raises(BucketUnavailableError):
        await spool.put(key_of(outcome), b"png")
    bucket.away = False
    await spool.publish(outcome)
    assert broker.outcomes == [outcome]
