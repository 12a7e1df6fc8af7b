"""What waits on the disk is handed over later, by whoever comes after who was killed, and once is enough."""

import asyncio
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from server.broker import BrokerUnavailableError
from server.broker.sqlite.broker import SQLiteBroker
from server.storage.bucket import Bucket, BucketUnavailableError
from server.storage.bucket_keys import image_key, swept_at
from server.task import Image, Manifest, Outcome, Status, Task
from server.worker.spool import Spool, VanishedError

NOW, DAY_S = 1_700_000_000.0, 86_400.0


class Away(Bucket):
    """One that may be away."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.away = False

    async def put(self, key: str, data: bytes) -> None:
        if self.away:
            raise BucketUnavailableError("away")
        await super().put(key, data)


class Silent(SQLiteBroker):
    """A log that may be away, and what it was told."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.away, self.told = False, list[Outcome]()

    async def publish_outcome(self, outcome: Outcome) -> None:
        if self.away:
            raise BrokerUnavailableError("away")
        await super().publish_outcome(outcome)
        self.told.append(outcome)


@pytest.fixture
def bucket() -> Away:
    return Away()


@pytest.fixture
async def broker(tmp_path):
    broker = Silent(tmp_path / "logs.sqlite")
    yield broker
    await broker.close()


@pytest.fixture
def new_spool(bucket, broker, tmp_path):
    """A worker's; `killed` lets go of it as the end of its process does."""
    made = []

    def new(most_bytes: int = 100, now: float = NOW) -> Spool:
        made.append(Spool(bucket, broker, tmp_path / "spool", most_bytes, clock=lambda: now))
        return made[-1]

    yield new
    for spool in made:
        spool.close()


def killed(spool: Spool) -> None:
    spool._shelf.let_go()
    spool._shelf = None


def made(at: float = NOW, attempt: str = "a") -> Outcome:
    task = Task(id="0" * 32, type="txt2img.sd", params={}, tenant="t", created_at=at)
    key = image_key("24h", at + DAY_S, task.id, attempt, "0.png")
    image = Image(key=key, width=8, height=8, bytes=3, sha256="")
    return Outcome(task=task, attempt=attempt, status=Status.SUCCEEDED, images=(image,), finished_at=at)


def key_of(outcome: Outcome) -> str:
    return outcome.images[0].key


async def publish_in_vain(spool: Spool, bucket: Away, outcome: Outcome) -> None:
    """The bucket is away and stays so: image and outcome are left on the disk."""
    bucket.away = True
    await spool.put(key_of(outcome), b"png")
    with pytest.raises(BucketUnavailableError):
        await spool.publish(outcome)


def on_disk(tmp_path: Path) -> list[str]:
    return sorted(file.name for file in (tmp_path / "spool").rglob("*") if file.is_file() and file.name != "lock")


async def test_what_can_be_handed_over_touches_no_disk(new_spool, bucket, broker, tmp_path) -> None:
    spool, outcome = new_spool(), made()
    await spool.put(key_of(outcome), b"png")
    await spool.publish(outcome)
    assert (await bucket.get(key_of(outcome)), broker.told) == (b"png", [outcome])
    assert not (tmp_path / "spool").exists()


async def test_an_image_waits_for_the_bucket_and_its_outcome_for_the_image(new_spool, bucket, broker, tmp_path) -> None:
    spool, outcome = new_spool(), made()
    await publish_in_vain(spool, bucket, outcome)
    assert broker.told == []
    bucket.away, broker.away = False, True
    with pytest.raises(BrokerUnavailableError):
        await spool.publish(outcome)
    assert on_disk(tmp_path) == ["0.png", "a.outcome"]
    broker.away = False
    await spool.publish(outcome)
    assert (await bucket.get(key_of(outcome)), broker.told) == (b"png", [outcome])
    assert on_disk(tmp_path) == []
    spool.close()
    assert list((tmp_path / "spool").iterdir()) == []


async def test_what_comes_at_once_lies_on_one_shelf(new_spool, bucket, broker, tmp_path) -> None:
    for number in range(20):
        spool, outcomes = new_spool(), [made(attempt=f"{number}-{place}") for place in range(8)]
        bucket.away = True
        await asyncio.gather(*(spool.put(key_of(outcome), b"png") for outcome in outcomes))
        bucket.away = False
        for outcome in outcomes:
            await spool.publish(outcome)
            assert await bucket.get(key_of(outcome)) == b"png"
        spool.close()


async def test_an_outcome_whose_image_is_gone_from_the_disk_is_not_told(new_spool, bucket, broker, tmp_path) -> None:
    spool, outcome = new_spool(), made()
    bucket.away = True
    await spool.put(key_of(outcome), b"png")
    bucket.away = False
    next((tmp_path / "spool").rglob("0.png")).unlink()
    with pytest.raises(VanishedError):
        await spool.publish(outcome)
    assert broker.told == []


async def test_who_is_killed_leaves_it_to_the_next(new_spool, bucket, broker, tmp_path) -> None:
    first, outcome = new_spool(), made()
    await publish_in_vain(first, bucket, outcome)
    alive = new_spool()
    await alive.hand_over_left()  # it is not for the living
    assert broker.told == []
    killed(first)
    following = asyncio.create_task(new_spool().hand_over_left())
    await asyncio.sleep(0.05)
    assert broker.told == []
    bucket.away = False
    await following
    assert (await bucket.get(key_of(outcome)), broker.told) == (b"png", [outcome])
    assert list((tmp_path / "spool").iterdir()) == []


async def test_of_a_task_that_has_ended_nothing_is_handed_over(new_spool, bucket, broker, tmp_path) -> None:
    first, outcome = new_spool(), made()
    await publish_in_vain(first, bucket, outcome)
    bucket.away = False
    await bucket.put_manifest(Manifest(outcome=made(attempt="b"), expires_at=NOW + DAY_S))
    killed(first)
    await new_spool().hand_over_left()
    assert (await bucket.get(key_of(outcome)), broker.told) == (None, [])
    assert list((tmp_path / "spool").iterdir()) == []


async def test_the_life_of_what_waited_begins_when_it_comes(new_spool, bucket, broker) -> None:
    """However long that took, and whoever brings it."""
    first, outcome = new_spool(), made()
    await publish_in_vain(first, bucket, outcome)
    bucket.away = False
    killed(first)
    await new_spool(now=NOW + 2 * DAY_S).hand_over_left()
    (told,) = broker.told
    assert await bucket.get(key_of(told)) == b"png"
    assert told.finished_at == NOW + 2 * DAY_S
    assert swept_at(key_of(told)) > NOW + 3 * DAY_S
    assert key_of(told).endswith("/a/0.png")


async def test_what_waits_is_bounded_and_makes_room_again(new_spool, bucket, tmp_path) -> None:
    """I17"""
    spool, first, second = new_spool(most_bytes=5), made(attempt="a"), made(attempt="b")
    bucket.away = True
    await spool.put(key_of(first), b"png")
    with pytest.raises(BucketUnavailableError):
        await spool.put(key_of(second), b"png")
    spool.drop(first)
    await spool.put(key_of(second), b"png")
    assert on_disk(tmp_path) == ["0.png"]


async def test_of_an_attempt_that_came_to_nothing_no_image_waits_on(new_spool, bucket, tmp_path) -> None:
    """Its outcome names none of them, and they would take their room until the worker ends."""
    spool, first = new_spool(most_bytes=5), made(attempt="a")
    bucket.away = True
    await spool.put(key_of(first), b"png")
    spool.drop(first.model_copy(update={"status": Status.FAILED, "images": ()}))
    assert on_disk(tmp_path) == []
    await spool.put(key_of(made(attempt="b")), b"png")


async def test_a_disk_that_cannot_be_written_is_none(new_spool, bucket, broker, tmp_path) -> None:
    (tmp_path / "spool").write_text("in the way")
    spool, outcome = new_spool(), made()
    await spool.hand_over_left()
    bucket.away = True
    with pytest.raises(BucketUnavailableError):
        await spool.put(key_of(outcome), b"png")
    bucket.away = False
    await spool.publish(outcome)
    assert broker.told == [outcome]
