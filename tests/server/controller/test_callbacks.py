from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
from contextlib import asynccontextmanager

import pytest

from server.broker import BrokerUnavailableError
from server.controller.callbacks import MOST_TAKEN_AT_ONCE, PAUSES_S, Callbacks, pause_after
from server.egress.client import Egress, Reply
from server.egress.connection_slots import CALLBACKS
from server.egress.webhook_signature import tenant_secret
from server.queue import DueCallback, QueueUnavailableError
from server.queue.memory.queue import MemoryQueue
from server.storage.bucket import Bucket
from server.storage.bucket_keys import callback_key, dead_callback_key, manifest_key
from server.storage.pending_callbacks import decode_callback, encode_callback
from server.task import Callback, Manifest, Outcome, Status, Task
from tests.support.clock import Clock

SECRET = b"the server's own"
HOUR_S = 3600


class Receiver:
    """An HTTP server on loopback; `answers` are status lines with headers, used in turn, the last one for ever."""

    def __init__(self):
        self.answers = ["200 OK"]
        self.requests = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.port = 0

    async def serve(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if line)
        self.requests.append((headers, await reader.readexactly(int(headers["content-length"]))))
        await self.hold.wait()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        writer.write(f"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def bodies(self):
        return {body for _, body in self.requests}


@asynccontextmanager
async def listening():
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver


@pytest.fixture
async def receiver():
    async with listening() as receiver:
        yield receiver


def manifest_of(task_id, url):
    task = Task(id=task_id, type="txt2img.sd", params={}, tenant="acme", created_at=1.5, callback=Callback(url=url))
    outcome = Outcome(task=task, attempt="a", status=Status.SUCCEEDED, finished_at=2.5)
    return Manifest(outcome=outcome, expires_at=9.5)


def body_of(manifest):
    return json.dumps({"uid": manifest.task.id, "at": manifest.outcome.finished_at}).encode()


class RecordingQueue(MemoryQueue):
    """Records the tries of each callback."""

    def __init__(self):
        super().__init__()
        self.tries = {}

    async def add_callback(self, callback):
        self.tries[callback.task_id] = callback.tries
        await super().add_callback(callback)


class CallbackWorld:
    """A bucket that survives `restart`, and a queue and a sender that `restart` replaces."""

    def __init__(self, path):
        self.bucket = Bucket.folder(path)
        self.clock = Clock()
        self.queue = RecordingQueue()

    async def settle(self, task_id, url):
        manifest = manifest_of(task_id, url)
        due = DueCallback(task_id, self.clock())
        await self.bucket.put(callback_key(task_id), encode_callback(due))
        await self.bucket.put_manifest(manifest)
        await self.queue.add_callback(due)

    async def restart(self):
        self.queue = RecordingQueue()
        for key, _ in await self.bucket.keys("callbacks"):
            await self.queue.add_callback(decode_callback(await self.bucket.get(key)))

    async def saved(self, task_id):
        data = await self.bucket.get(callback_key(task_id))
        return None if data is None else decode_callback(data)

    @asynccontextmanager
    async def running(self, body_of=body_of, pauses_s=()):
        sender = Callbacks(
            self.queue,
            self.bucket,
            Egress(["127.0.0.1"]),
            body_of,
            SECRET,
            clock=self.clock,
            poll_s=0.005,
            first_pauses_s=lambda manifest: pauses_s,
        )
        task = asyncio.create_task(sender.run())
        try:
            yield sender
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def world(tmp_path):
    return CallbackWorld(tmp_path)


async def until(condition):
    async with asyncio.timeout(60):
        while not await condition():
            await asyncio.sleep(0.005)


async def until_tries(world, task_id, tries):
    async def reached():
        return world.queue.tries.get(task_id, 0) >= tries

    await until(reached)


async def until_gone(world, task_id):
    async def gone():
        return await world.saved(task_id) is None

    await until(gone)


async def test_callback_is_delivered_once(world, receiver):
    async with world.running():
        await world.settle("one", receiver.url)
        await until_gone(world, "one")
        world.clock.pass_by(24 * HOUR_S)
        await asyncio.sleep(0.05)
    assert len(receiver.requests) == 1
    assert receiver.bodies == {body_of(manifest_of("one", receiver.url))}


async def test_signature_verifies(world, receiver):
    async with world.running():
        await world.settle("one", receiver.url)
        await until_gone(world, "one")
    [(headers, body)] = receiver.requests
    signed = b".".join([b"one", headers["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.new(tenant_secret(SECRET, "acme"), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-id"] == "one"
    assert headers["webhook-timestamp"] == "1700000000"
    assert headers["webhook-signature"].lower() == f"v1,{expected}".lower()
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("first", ["500 No", "302 Found\r\nLocation: http://127.0.0.1/", "404 Not Found", "199 Odd"])
async def test_retry_sends_the_same_bytes(world, receiver, first):
    receiver.answers = [first, first, "204 No Content"]
    async with world.running():
        await world.settle("one", receiver.url)
        for tries in (1, 2):
            await until_tries(world, "one", tries)
            world.clock.pass_by(5)
        await until_gone(world, "one")
    assert len(receiver.requests) == 3
    assert len(receiver.bodies) == 1
    assert {headers["webhook-id"] for headers, _ in receiver.requests} == {"one"}
    assert len({headers["webhook-timestamp"] for headers, _ in receiver.requests}) == 3


async def test_callback_waits_until_it_is_due(world, receiver):
    receiver.answers = ["500 No"]
    async with world.running():
        await world.settle("one", receiver.url)
        await until_tries(world, "one", 1)
        world.clock.pass_by(2)
        await asyncio.sleep(0.05)
    assert len(receiver.requests) == 1


async def test_unreachable_address_is_retried(world):
    async with listening() as closed:
        pass
    async with world.running():
        await world.settle("one", closed.url)
        await until_tries(world, "one", 1)


async def test_410_ends_the_retries(world, receiver, caplog):
    receiver.answers = ["410 Gone"]
    async with world.running():
        await world.settle("one", receiver.url)
        await until_gone(world, "one")
    dead = decode_callback(await world.bucket.get(dead_callback_key("one")))
    assert (dead.task_id, dead.tries) == ("one", 1)
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "gave up the callback of task one after 1 tries: it answered 410"
    ]


async def test_retry_schedule_ends(world, receiver):
    receiver.answers = ["500 No"]
    async with world.running():
        await world.settle("one", receiver.url)
        for tries in range(1, len(PAUSES_S) + 1):
            await until_tries(world, "one", tries)
            world.clock.pass_by(PAUSES_S[tries - 1] * 1.11)
        await until_gone(world, "one")
    assert len(receiver.requests) == len(PAUSES_S) + 1 == 18
    assert await world.bucket.get(dead_callback_key("one")) is not None


async def test_dialect_has_first_pauses_of_its_own(world, receiver):
    """The long pauses of Hua's own schedule follow."""
    receiver.answers = ["500 No"]
    pauses_s = (50.0, 100.0)
    async with world.running(pauses_s=pauses_s):
        await world.settle("one", receiver.url)
        for tries, pause_s in enumerate((*pauses_s, *PAUSES_S[9:]), 1):
            await until_tries(world, "one", tries)
            world.clock.pass_by(pause_s * 0.8)
            assert (await world.queue.next_callbacks(world.clock(), 9)) == []
            world.clock.pass_by(pause_s * 0.31)
        await until_gone(world, "one")
    assert len(receiver.requests) == len(pauses_s) + len(PAUSES_S[9:]) + 1


async def test_restart_continues_the_schedule(world, receiver):
    receiver.answers = ["500 No"]
    async with world.running():
        await world.settle("one", receiver.url)
        for tries in range(1, 11):
            await until_tries(world, "one", tries)
            world.clock.pass_by(4)
    await world.restart()
    async with world.running():
        await asyncio.sleep(0.05)
        assert len(receiver.requests) == 10
        world.clock.pass_by(6 * 60)
        await until_tries(world, "one", 11)
    assert len(receiver.requests) == 11
    assert (await world.saved("one")).due_at > world.clock.now + 20 * 60
    assert len(receiver.bodies) == 1


async def test_tries_not_saved_in_the_bucket_count(world, receiver):
    """Another controller continues after a kill, with the same queue."""
    receiver.answers = ["500 No"]
    for tries in range(1, 11):
        async with world.running():
            await (world.settle("one", receiver.url) if tries == 1 else asyncio.sleep(0))
            await until_tries(world, "one", tries)
            world.clock.now += 4
    assert (await world.saved("one")).due_at > world.clock.now + 4 * 60


async def test_retry_reads_the_bucket_only_if_the_queue_differs(world, receiver, monkeypatch):
    receiver.answers = ["500 No"]
    async with world.running():
        await world.settle("one", receiver.url)
        await until_tries(world, "one", 1)
        with monkeypatch.context() as away:
            away.setattr(world.bucket, "get", None)
            world.clock.now += 4
            await until_tries(world, "one", 2)
        receiver.answers = ["200 Yes"]
        await world.queue.add_callback(DueCallback("one", world.clock()))
        await until_gone(world, "one")
    assert len(receiver.requests) == 3


async def test_delivered_callback_is_dropped(world, receiver):
    """The controller died after it saved the 2xx in the bucket, before it dropped the callback from the queue."""
    await world.queue.add_callback(DueCallback("one", world.clock()))

    async def dropped():
        return (await world.queue.overview()).callbacks == 0

    async with world.running():
        await until(dropped)
    assert receiver.requests == []
    assert await world.queue.next_callbacks(world.clock() + HOUR_S, 9) == []


async def test_callback_waits_for_its_manifest(world, receiver):
    due = DueCallback("one", world.clock())
    await world.bucket.put(callback_key("one"), encode_callback(due))
    await world.queue.add_callback(due)
    async with world.running():
        await asyncio.sleep(0.05)
        assert receiver.requests == []
        await world.bucket.put_manifest(manifest_of("one", receiver.url))
        world.clock.pass_by(61)
        await until_gone(world, "one")
    assert len(receiver.requests) == 1


async def test_retry_after_is_honoured(world, receiver):
    receiver.answers = ["503 No\r\nRetry-After: 120", "200 OK"]
    async with world.running():
        await world.settle("one", receiver.url)
        await until_tries(world, "one", 1)
    assert (await world.saved("one")).due_at == pytest.approx(world.clock.now + 120)


def test_pause_after_follows_the_schedule():
    assert len(PAUSES_S) == 17
    assert set(PAUSES_S[:9]) == {3}
    assert sum(PAUSES_S[:9]) + 300 + 1800 + 75 * HOUR_S == sum(PAUSES_S)
    assert 2.7 <= pause_after(1, Reply(500)) <= 3.3
    assert 2.7 <= pause_after(1, Reply(500, retry_after_s=60)) <= 3.3
    assert pause_after(1, Reply(429, retry_after_s=60)) == 60
    assert 270 <= pause_after(10, Reply(429, retry_after_s=60)) <= 330
    assert pause_after(1, Reply(503, retry_after_s=float("inf"))) == 24 * HOUR_S


async def test_per_host_limit_ignores_paths(world):
    async with listening() as slow, world.running():
        slow.hold.clear()
        for index in range(20):
            await world.settle(f"slow-{index}", f"{slow.url.removesuffix('/hook')}?{index}")
        await asyncio.sleep(0.3)
        assert len(slow.requests) == CALLBACKS.new.host.open
        slow.hold.set()


async def test_slow_host_delays_no_other_host(world, receiver):
    async with listening() as slow, world.running():
        slow.hold.clear()
        for index in range(20):
            await world.settle(f"slow-{index}", slow.url)
        for index in range(20):
            await world.settle(f"quick-{index}", receiver.url)
        for index in range(20):
            await until_gone(world, f"quick-{index}")
        assert len(slow.requests) == CALLBACKS.new.host.open
        slow.hold.set()
        for index in range(20):
            await until_gone(world, f"slow-{index}")
    assert len(slow.requests) == 20


async def test_internal_error_affects_one_callback_only(world, receiver, caplog):
    await world.bucket.put(callback_key("broken"), b"not json")
    await world.bucket.put_manifest(manifest_of("broken", receiver.url))
    await world.queue.add_callback(DueCallback("broken", world.clock()))
    async with world.running():
        await world.settle("one", receiver.url)
        await until_gone(world, "one")
        await until_tries(world, "broken", 1)
    assert "a try of the callback of task broken failed" in caplog.text


async def until_given_up(world, task_id, body_of=body_of):
    """Lets time pass until the callback is given up; the number of its tries."""
    async with world.running(body_of):
        for tries in range(1, len(PAUSES_S) + 1):
            await until_tries(world, task_id, tries)
            world.clock.pass_by(PAUSES_S[tries - 1] * 1.11)
        await until_gone(world, task_id)
    return decode_callback(await world.bucket.get(dead_callback_key(task_id))).tries


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:+80/", "http://127.0.0.1:８０/", "http://127.0.0.1:80 ", "http://[::1/", "no URL", ""]
)
async def test_refused_address_is_given_up(world, url):
    """Such an address is refused when a task is submitted, but an older version may have accepted it."""
    await world.settle("one", url)
    assert await until_given_up(world, "one") == len(PAUSES_S) + 1


async def test_unexpected_failure_counts_as_a_try(world, receiver):
    def broken(manifest):
        raise ZeroDivisionError

    await world.settle("one", receiver.url)
    assert await until_given_up(world, "one", broken) == len(PAUSES_S) + 1
    assert receiver.requests == []


async def test_damaged_callback_is_given_up(world, receiver):
    await world.settle("one", receiver.url)
    await world.bucket.put(callback_key("one"), b"not json")
    async with world.running():
        await until_tries(world, "one", 1)
        await world.queue.add_callback(DueCallback("one", world.clock(), tries=len(PAUSES_S)))

        async def given_up():
            return await world.bucket.get(callback_key("one")) is None

        await until(given_up)
    assert await world.bucket.get(dead_callback_key("one")) is not None


async def test_callback_whose_manifest_is_lost_is_given_up(world):
    await world.settle("one", "http://127.0.0.1:1/")
    await world.bucket.delete([manifest_key("one")])
    async with world.running():
        world.clock.pass_by(23 * HOUR_S)
        await asyncio.sleep(0.05)
        assert await world.saved("one") is not None
        world.clock.pass_by(2 * HOUR_S)
        await until_gone(world, "one")
    assert await world.bucket.get(dead_callback_key("one")) is not None


async def test_outage_of_the_logs_is_no_try(world, tmp_path, caplog):
    """They are read for a manifest that is damaged."""

    async def unavailable(task_id):
        raise BrokerUnavailableError("away")

    world.bucket = Bucket.folder(tmp_path, unavailable)
    await world.settle("one", "http://127.0.0.1:1/")
    await world.bucket.put(manifest_key("one"), b"{")

    async def tried():
        return "stays due: away" in caplog.text or world.queue.tries["one"]

    async with world.running():
        await until(tried)
    assert world.queue.tries["one"] == 0


async def test_many_due_callbacks_are_taken_a_few_at_a_time(world, receiver):
    taken = []

    class CountingQueue(RecordingQueue):
        async def next_callbacks(self, now, count):
            taken.append(len(due := await super().next_callbacks(now, count)))
            return due

    world.queue = CountingQueue()
    for index in range(70):
        await world.settle(f"task-{index}", receiver.url)
    async with world.running():
        for index in range(70):
            await until_gone(world, f"task-{index}")
    assert sum(taken) == 70
    assert max(taken) == MOST_TAKEN_AT_ONCE


class ShakyQueue(RecordingQueue):
    """A queue whose first few calls for callbacks fail."""

    outages = 5

    async def next_callbacks(self, now, count):
        if self.outages:
            self.outages -= 1
            raise QueueUnavailableError("no route")
        return await super().next_callbacks(now, count)


async def test_queue_outage_is_waited_for_and_logged_once(world, receiver, caplog):
    world.queue = ShakyQueue()
    async with world.running():
        await world.settle("one", receiver.url)
        await until_gone(world, "one")
    assert caplog.text.count("callbacks wait for the queue: no route") == 1
