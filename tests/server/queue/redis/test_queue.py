"""The queue in Redis: it is shared by processes, it may be lost or unreachable, and its errors say what to do."""

import asyncio

import pytest
import redis

from server.queue import (
    DueCallback,
    QueueIncompleteError,
    QueueUnavailableError,
    RateLimitError,
    TaskLimitError,
    Verdict,
    WorkerView,
)
from server.queue.redis.queue import RedisQueue
from server.queue.redis.scripts import RESERVED_S, ROOT
from server.task import Status

LOOK_S = 3600.0


@pytest.fixture
def kind() -> str:
    return "redis"


@pytest.fixture
async def queue(closed_queue) -> RedisQueue:
    await closed_queue.begin()
    await closed_queue.open()
    return closed_queue


@pytest.fixture
def client(redis_url):
    with redis.Redis.from_url(redis_url, decode_responses=True) as client:
        yield client


@pytest.fixture
def without_polling(monkeypatch) -> None:
    """Nothing polls, so that a missing notification makes its test time out."""
    for name in ("WAKE_S", "POSITION_EVERY_S"):
        monkeypatch.setattr(f"server.queue.redis.queue.{name}", LOOK_S)


@pytest.fixture
async def own_queue(own_redis):
    queue = RedisQueue(own_redis.url)
    await queue.begin()
    await queue.open()
    yield queue
    await queue.close()


async def test_processes_share_the_rate_limit(queue, redis_url) -> None:
    other = RedisQueue(redis_url)
    await queue.spend("a", 1, 2)
    await other.spend("a", 1, 2)
    for each in (queue, other):
        with pytest.raises(RateLimitError):
            await each.spend("a", 1, 2)
    await other.close()


async def test_stored_results_are_bounded(redis_url, clock, client, make_task, make_manifest) -> None:
    """I17"""
    queue = RedisQueue(redis_url, most_finished=10)
    await queue.begin()
    await queue.open()
    for number in range(100):
        task, worker = make_task(f"tenant-{number}", models=("m",)), f"worker-{number}"
        await queue.spend(task.tenant, 60, 5)
        await queue.admit(task, 5)
        await queue.ingest(task)
        await queue.announce(WorkerView(worker, "cpu"))
        leased = await queue.lease(worker, ("m",), 1.0)
        if number % 3 == 0:
            await queue.died(leased)
        await queue.settle(make_manifest(task))
        await queue.add_callback(DueCallback(task.id, 0.0))
        await queue.drop_callback(task.id)
        await queue.admit(make_task(f"gone-{number}"), 5)
        clock.pass_by(60)
    with pytest.raises(TaskLimitError):
        await queue.admit(make_task("nobody"), 0)
    await queue.announce(WorkerView("last", "cpu"))
    await queue.close()
    lasting = [key.removeprefix(f"{ROOT}:") for key in client.scan_iter() if client.ttl(key) == -1]
    of_ended = [key for key in lasting if key.startswith(("task:", "history:"))]
    assert len(of_ended) == 20
    of_queue = {"orders", "open", "reading", "ended", "rates", "wake:any"}
    assert set(lasting) - set(of_ended) <= of_queue | {"heard", "workers", "members", "pools"}
    assert client.zcard(f"{ROOT}:rates") <= 1
    assert client.hlen(f"{ROOT}:workers") == client.zcard(f"{ROOT}:heard") == 1


async def test_all_keys_are_in_one_slot(queue, client, make_task) -> None:
    await queue.ingest(make_task())
    await queue.lease("w", (), 1.0)
    assert all(key.startswith("{hua}:") for key in client.scan_iter())


async def test_slot_of_a_dead_api_is_freed(queue, clock, make_task) -> None:
    """I8"""
    task = make_task()
    await queue.admit(task, 1)
    clock.pass_by(RESERVED_S - 1)
    with pytest.raises(TaskLimitError):
        await queue.admit(make_task(), 1)
    clock.pass_by(1)
    assert await queue.admit(make_task(), 1) is None
    assert await queue.find(task.id) is None
    await queue.ingest(task)
    assert (await queue.find(task.id)).status is Status.QUEUED, "it was published after all"


@pytest.mark.usefixtures("without_polling")
async def test_two_processes_see_one_queue(queue, redis_url, make_task, make_manifest) -> None:
    other, task = RedisQueue(redis_url), make_task()
    waiting = asyncio.create_task(other.lease("w", (), 5.0))
    await queue.ingest(task)
    leased = await waiting
    views = queue.watch(task.id)
    assert (await anext(views)).worker == "w"
    await other.settle(make_manifest(leased.task))
    assert (await anext(views)).status.final
    await views.aclose()
    await other.close()


# --- waiting


async def test_waiting_workers_do_not_poll_redis(queue, client) -> None:
    client.config_resetstat()
    await asyncio.gather(*(queue.lease(f"w{number}", (), 1.5) for number in range(4)))
    assert client.info("commandstats")["cmdstat_evalsha"]["calls"] <= 4 * 4


@pytest.mark.usefixtures("without_polling")
async def test_new_task_wakes_a_worker(queue, make_task) -> None:
    waiting = asyncio.create_task(queue.lease("w", (), LOOK_S))
    await asyncio.sleep(0.1)
    await queue.ingest(make_task())
    assert await waiting is not None


@pytest.mark.usefixtures("without_polling")
async def test_all_workers_wake_for_many_tasks(closed_queue, make_task) -> None:
    waiting = [asyncio.create_task(closed_queue.lease(f"w{number}", (), LOOK_S)) for number in range(4)]
    await closed_queue.begin()
    for _ in waiting:
        await closed_queue.ingest(make_task())
    await asyncio.sleep(0.1)
    await closed_queue.open()
    assert all(await asyncio.gather(*waiting))


async def test_lease_of_a_canceled_worker_is_returned(queue, client, make_task) -> None:
    task = make_task()
    await queue.ingest(task)
    client.execute_command("CLIENT", "PAUSE", 200, "WRITE")
    leaving = asyncio.create_task(queue.lease("leaving", (), 5.0))
    await asyncio.sleep(0.05)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    leased = await queue.lease("w", (), 0)
    assert (leased.task, leased.deaths) == (task, 0)


# --- lost data


async def test_queue_emptied_during_the_replay_does_not_open(closed_queue, redis_server, make_task) -> None:
    """I16"""
    await closed_queue.begin()
    await closed_queue.ingest(make_task())
    redis_server.flush()
    await closed_queue.open()
    assert not await closed_queue.complete()
    await closed_queue.begin()
    await closed_queue.open()
    assert await closed_queue.complete()


def restart(server) -> None:
    """Restarts the server with its present data."""
    with redis.Redis.from_url(server.url) as client:
        dump = {key: client.dump(key) for key in client.scan_iter()}
    server.stop()
    server.start()
    with redis.Redis.from_url(server.url) as client:
        for key, value in dump.items():
            client.restore(key, 0, value)


async def test_restarted_redis_leases_nothing_before_the_replay(own_redis, own_queue, make_task) -> None:
    """I16: it may have restarted with old data, so its own "open" mark is not trusted."""
    queue, task = own_queue, make_task()
    await queue.ingest(task)
    restart(own_redis)
    await asyncio.sleep(0.05)  # so that we hear that our connections are gone
    assert not await queue.complete()
    assert await queue.lease("w", (), 0) is None
    assert (await queue.find(task.id)).stale
    await queue.open()
    assert not await queue.complete(), "that reading was of another run"
    await queue.begin()
    assert await queue.lease("w", (), 0) is None
    await queue.ingest(task)
    await queue.open()
    assert (await queue.lease("w", (), 0)).task == task
    assert not (await queue.find(task.id)).stale


async def test_redis_outage_expires_no_lease(own_redis, own_queue, make_task) -> None:
    """Those that live had no chance to say so; after the logs were read they have a lease's time for it."""
    queue = own_queue
    for _ in range(2):
        await queue.ingest(make_task())
    living, dead = [await queue.lease(name, (), 0) for name in ("living", "dead")]
    with redis.Redis.from_url(own_redis.url) as client:
        for lease in (living, dead):
            client.zadd(f"{ROOT}:leases", {lease.task.id: 1})
    restart(own_redis)
    await asyncio.sleep(0.05)
    assert await queue.expired() == []
    await queue.begin()
    await queue.open()
    assert await queue.expired() == []
    assert await queue.heartbeat(living, None) is Verdict.OK
    with redis.Redis.from_url(own_redis.url) as client:
        client.zadd(f"{ROOT}:leases", {dead.task.id: 1})
    assert [(lease.task, lease.deaths) for lease in await queue.expired()] == [(dead.task, 1)]


async def test_watcher_survives_a_lost_connection(own_redis, own_queue, make_task, make_manifest) -> None:
    queue, task = own_queue, make_task()
    await queue.ingest(task)
    views = queue.watch(task.id)
    assert (await anext(views)).status is Status.QUEUED
    with redis.Redis.from_url(own_redis.url) as client:
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await queue.settle(make_manifest(task))
    assert (await asyncio.wait_for(anext(views), 60)).status.final
    await views.aclose()


# --- trouble


async def test_unreachable_redis_is_unavailable_until_it_is_back(own_redis, own_queue, make_task) -> None:
    queue, task = own_queue, make_task()
    await queue.ingest(task)
    own_redis.stop()
    calls = (queue.admit(task, 1), queue.find(task.id), queue.complete(), queue.overview(), queue.open())
    for call in (*calls, queue.lease("w", (), 1.0), queue.next_callbacks(0.0, 1), queue.drop_callback(task.id)):
        with pytest.raises(QueueUnavailableError, match="check that Redis runs and that HUA_QUEUE is its address"):
            await call
    own_redis.start()
    assert await queue.find(task.id) is None
    await queue.begin()
    await queue.open()
    assert await queue.admit(task, 1) is None


@pytest.mark.parametrize(
    ("command", "advice"),
    [
        ("ACL SETUSER default -evalsha", "allow this user to run scripts"),
        ("REPLICAOF 127.0.0.1 1", "name the primary"),
        ("CONFIG SET maxmemory 1", "raise its maxmemory"),
    ],
)
async def test_every_error_says_what_to_do(own_redis, own_queue, command, advice) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.execute_command(*command.split())
    with pytest.raises(QueueUnavailableError, match=advice):
        await own_queue.announce(WorkerView("w", "cpu"))


async def test_flushed_scripts_are_loaded_again(queue, client, make_task) -> None:
    task = make_task()
    await queue.ingest(task)
    client.script_flush()
    assert (await queue.find(task.id)).task == task


async def test_position_cost_is_bounded_for_many_tenants(queue, make_task) -> None:
    """Positions are computed from a hundred tenants, and are close enough."""
    for number in range(1000):
        await queue.ingest(make_task(f"t{number}"))
    last = make_task("u")
    await queue.ingest(last)
    assert 900 <= (await queue.find(last.id)).position <= 1001


async def test_hanging_redis_times_out_without_mixed_answers(own_redis, own_queue, make_task, monkeypatch) -> None:
    task = make_task()
    await own_queue.ingest(task)
    with redis.Redis.from_url(own_redis.url) as client:
        client.client_pause(1000, all=True)
    with monkeypatch.context() as hurried:
        hurried.setattr("server.queue.redis.connection.ANSWER_TIMEOUT_S", 0.2)
        with pytest.raises(QueueUnavailableError, match="no answer"):
            await own_queue.lease("w", (), 0)
    await own_queue.announce(WorkerView("w", "cpu"))
    assert (await own_queue.find(task.id)).task == task


async def test_check_finds_a_redis_that_still_answers_but_takes_no_task(own_redis) -> None:
    queue = RedisQueue(own_redis.url)
    with pytest.raises(QueueIncompleteError):
        await queue.check()
    await queue.begin()
    await queue.open()
    await queue.check()
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(QueueUnavailableError, match="raise its maxmemory"):
            await queue.check()
        client.config_set("maxmemory", 0)
        await queue.check()
        client.replicaof("127.0.0.1", 1)
        with pytest.raises(QueueUnavailableError, match="this is a replica"):
            await queue.check()
    await queue.close()


async def test_task_that_an_earlier_release_put_into_no_pool_is_found(queue, client, make_task) -> None:
    """During an upgrade, an api that knows no pools may hand on tasks."""
    await queue.announce(WorkerView(name="w", device="cpu", models=frozenset({"m"})))
    task = make_task(models=("m",))
    await queue.ingest(task)
    for name in ("line", "plain", "warm", "images", "turns"):
        for found in client.scan_iter(f"{ROOT}:{name}:*"):
            client.delete(found)
    client.hdel(f"{ROOT}:task:{task.id}", "pools")
    assert await queue.lease("w", (), 0.05) is None
    await queue.expired()
    lease = await queue.lease("w", (), 5.0)
    assert lease is not None
    assert lease.task.id == task.id
