"""The controller as a whole, killed and started again over the same logs and bucket, with a new queue each time.

The invariants that logs, queue and controller hold together; tests name those that they show:

I1  every accepted task ends, exactly once        I10 no task starves; at most one pick in eight is forced
I2  no unsettled task is committed                I11 what kills its workers is run three times at most
I3  one manifest a task, and all derives from it  I12 draining loses nothing and counts no deaths
I4  a lost lease has no effect any more           I13 what is canceled in the queue never runs
I5  one lease a task at a time                    I14 no image outlives its retention, and none goes before
I6  callbacks come, and in one version only       I16 the queue may forget everything at any moment
I8  no tenant has more tasks than its limit       I17 memory is bounded by what is unfinished
I9  tenants share by cost
"""

import asyncio
import contextlib
import sqlite3
import time
from collections import Counter
from types import SimpleNamespace

import pytest

from server.broker.sqlite.broker import SQLiteBroker
from server.controller import Controller
from server.controller.callbacks import Callbacks
from server.egress.client import Egress
from server.queue import DueCallback
from server.queue.memory.queue import MemoryQueue
from server.storage.bucket import Bucket, BucketUnavailableError
from server.storage.bucket_keys import callback_key, image_key, manifest_key, usage_key
from server.storage.pending_callbacks import encode_callback
from server.task import RETENTION_S, Callback, Image, Manifest, Outcome, Status


class KilledError(BaseException):
    """Simulates kill -9: nothing catches it, and after it no call of this process has an effect."""


@pytest.fixture
async def sink():
    """A callback receiver that records the bodies by path."""
    received: list[tuple[str, bytes]] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
        received.append((head.split()[1], await reader.readexactly(int(headers["content-length"]))))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield SimpleNamespace(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", received=received)


class Wire(Egress):
    """A request that was sent before the kill still arrives."""

    def __init__(self) -> None:
        super().__init__(allow=("127.0.0.0/8",))
        self.under_way: set[asyncio.Future] = set()

    async def post(self, url, body, headers, tenant=""):
        sending = asyncio.ensure_future(super().post(url, body, headers))
        self.under_way.add(sending)
        return await asyncio.shield(sending)


class OpeningQueue(MemoryQueue):
    """A queue that records its contents when it is opened."""

    async def open(self) -> None:
        self.queued = (await self.overview()).queued
        self.callbacks = len(self._callbacks._callbacks)  # private: to claim them would change them
        await super().open()


class World:
    """The logs and the bucket, which survive a kill. Each `living` makes the rest again."""

    def __init__(self, path, broker, fated) -> None:
        self.broker = broker
        self.bucket = Bucket.folder(path / "bucket")
        self.runs: Counter[str] = Counter()
        self._path = path
        self._fated = fated
        self._wire = Wire()

    @contextlib.asynccontextmanager
    async def living(self, fate=None, worker=True):
        """Runs a controller and a worker; yields their queue, and a future that is done when they were killed."""
        queue = OpeningQueue()
        broker, bucket = SQLiteBroker(self._path / "logs.sqlite"), self.bucket
        services = [self._fated(service, fate) if fate else service for service in (broker, queue, bucket)]
        callbacks = Callbacks(services[1], services[2], self._wire, _body, b"secret", poll_s=0.01)
        works = [Controller(*services, callbacks).run(), *([self._work(services)] if worker else [])]
        running = asyncio.gather(*(_until_killed(work) for work in works))
        try:
            yield queue, running
        finally:
            running.cancel()
            await asyncio.gather(running, *self._wire.under_way, return_exceptions=True)
            await broker.close()

    async def _work(self, services) -> None:
        broker, queue, bucket = services
        while True:
            lease = await queue.lease("w", (), 0.05)
            if lease is None:
                continue
            self.runs[lease.task.id] += 1
            now = time.time()
            key = image_key("24h", now + RETENTION_S["24h"], lease.task.id, lease.token, "0.png")
            await bucket.put(key, b"png")
            image = Image(key=key, width=8, height=8, bytes=3, sha256="")
            await broker.publish_outcome(
                Outcome(task=lease.task, attempt=lease.token, status=Status.SUCCEEDED, images=(image,), finished_at=now)
            )
            await queue.finishing(lease)

    async def all_settled(self, tasks) -> None:
        async with asyncio.timeout(60):
            for task in tasks:
                while await self.bucket.manifest(task.id) is None:
                    await asyncio.sleep(0.002)

    def outcomes(self) -> list[Outcome]:
        """All outcomes that were ever in the log."""
        with contextlib.closing(sqlite3.connect(self._path / "logs.sqlite")) as log:
            rows = log.execute("select value from records where log = 'outcomes' order by offset").fetchall()
        return [Outcome.model_validate_json(value) for (value,) in rows]


def _body(manifest: Manifest) -> bytes:
    return manifest.model_dump_json().encode()


async def _until_killed(work) -> None:
    """A killed task group ends with a group of the errors of its tasks."""
    with contextlib.suppress(KilledError):
        try:
            await work
        except BaseExceptionGroup as group:
            if group.split(KilledError)[1] is not None:
                raise


@pytest.fixture
def world(tmp_path, broker, fated) -> World:
    return World(tmp_path, broker, fated)


async def test_task_goes_from_log_to_manifest_and_callback(world, sink, make_task) -> None:
    task = make_task(callback=Callback(url=f"{sink.url}/x"))
    async with world.living() as (queue, _):
        await world.broker.publish_task(task)
        await world.all_settled([task])
        views = [view.status async for view in queue.watch(task.id)]
        async with asyncio.timeout(60):
            while await world.bucket.keys("callbacks"):
                await asyncio.sleep(0.005)
    assert views[-1] is Status.SUCCEEDED
    assert sink.received == [("/x", _body(await world.bucket.manifest(task.id)))]


async def test_no_task_is_leased_before_ended_tasks_are_known(world, make_task, make_outcome) -> None:
    """The worker waits from the start; one task was canceled while all processes were down."""
    tasks = [make_task() for _ in range(30)]
    for task in tasks:
        await world.broker.publish_task(task)
    for task in tasks[::2]:
        await world.broker.publish_outcome(make_outcome(task, Status.CANCELED))
    await world.bucket.put(callback_key("old"), encode_callback(DueCallback("old", 0.0)))
    async with world.living() as (queue, _):
        await world.all_settled(tasks)
    assert (queue.queued, queue.callbacks) == (15, 1)
    assert world.runs == {task.id: 1 for task in tasks[1::2]}


async def test_old_results_are_known_after_a_restart(world, make_task, make_manifest) -> None:
    task = make_task()
    await world.bucket.put_manifest(make_manifest(task))
    await world.bucket.put(usage_key("2026-01-01", task.tenant, task.id), b"{}")
    async with world.living() as (queue, _), asyncio.timeout(60):
        while await queue.find(task.id) is None:
            await asyncio.sleep(0.005)
    assert (await queue.recent("t", None, 1, 9))[1] == 1


async def test_controller_survives_service_outages(world, make_task, make_outcome, new_fate, caplog) -> None:
    tasks = [make_task() for _ in range(20)]
    for task in tasks:
        await world.broker.publish_task(task)
        await world.broker.publish_outcome(make_outcome(task))
    fate = new_fate(BucketUnavailableError("the bucket is away"), 30)
    async with world.living(fate, worker=False) as (queue, running):
        while fate.calls < 40:
            await asyncio.sleep(0.01)
        assert not running.done()
        fate.error = None
        await world.all_settled(tasks)
        async with asyncio.timeout(60):
            while not all([await queue.find(task.id) for task in tasks]):
                await asyncio.sleep(0.005)
    messages = [record.getMessage() for record in caplog.records if record.name.startswith("server.controller")]
    assert len(messages) == len(set(messages)), "each error is logged once"


async def check(world, tasks, canceled, sink) -> None:
    """I1, I3, I6, I13: every task ended once, with its first outcome, and its callback arrived."""
    outcomes = [outcome for outcome in world.outcomes() if outcome.task in tasks]
    for task in tasks:
        manifest = await world.bucket.manifest(task.id)
        first = next(outcome for outcome in outcomes if outcome.task.id == task.id)
        assert manifest.outcome == first
        for image in first.images:
            assert await world.bucket.get(image.key) == b"png"
    assert (await world.bucket.manifest(canceled.id)).outcome.status is Status.CANCELED
    assert world.runs[canceled.id] == 0
    bodies = {body for path, body in sink.received if path == f"/{tasks[0].id}"}
    assert bodies == {_body(await world.bucket.manifest(tasks[0].id))}
    winners = {image.key for task in tasks for image in (await world.bucket.manifest(task.id)).outcome.images}
    losers = {image.key for outcome in outcomes for image in outcome.images} - winners
    assert losers.isdisjoint({key for key, _ in await world.bucket.keys("images")})
    assert await world.bucket.keys("callbacks") == []


async def fill(world, sink, make_task, make_outcome) -> tuple[list, object]:
    """A task with a callback, a plain one, and one that is canceled before a worker starts."""
    called = make_task()
    called = called.model_copy(update={"callback": Callback(url=f"{sink.url}/{called.id}")})
    tasks = [called, make_task(), make_task()]
    for task in tasks:
        await world.broker.publish_task(task)
    await world.broker.publish_outcome(make_outcome(tasks[2], Status.CANCELED))
    return tasks, tasks[2]


async def settled_and_called(world, tasks, sink) -> None:
    await world.all_settled(tasks)
    async with asyncio.timeout(60):
        while await world.bucket.keys("callbacks") or not any(path[1:] == tasks[0].id for path, _ in sink.received):
            await asyncio.sleep(0.005)
        while (await anext(world.broker.outcomes()))[1] is not None:
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("half", range(2))
async def test_every_task_ends_once_if_killed_at_any_call(world, sink, make_task, make_outcome, new_fate, half) -> None:
    fatal, survived = 1 + 2 * half, False
    while not survived:
        tasks, canceled = await fill(world, sink, make_task, make_outcome)
        async with world.living(new_fate(KilledError(), fatal)) as (_, running):
            done = asyncio.create_task(settled_and_called(world, tasks, sink))
            await asyncio.wait({running, done}, return_when=asyncio.FIRST_COMPLETED)
            survived = not running.done()
            done.cancel()
            await asyncio.gather(done, return_exceptions=True)
        before = {task.id: await world.bucket.manifest(task.id) for task in tasks}
        async with world.living():
            await settled_and_called(world, tasks, sink)
        after = {task.id: await world.bucket.manifest(task.id) for task in tasks}
        assert all(before[task_id] in (None, after[task_id]) for task_id in after)
        await check(world, tasks, canceled, sink)
        await world.bucket.delete(
            [manifest_key(task.id) for task in tasks]
        )  # else each run restores more than the last
        fatal += 4
    assert fatal > 40
