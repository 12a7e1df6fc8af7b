"""The queue on Redis behind a real Sentinel, which makes a replica the primary."""

import asyncio
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis

from server.queue import QueueUnavailableError
from server.queue.redis.connection import check
from server.queue.redis.queue import RedisQueue
from server.queue.redis.sentinel import Sentinels
from server.settings import SettingsError
from tests.support.redis_server import FAILOVER_S, RedisServer, executable, free_port, wait_until


@pytest.fixture
def replica(own_redis: RedisServer) -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    with redis.Redis.from_url(server.url) as client:
        client.replicaof("127.0.0.1", own_redis.port)
        wait_until(lambda: client.info("replication")["master_link_status"] == "up")
    yield server
    server.stop()


@pytest.fixture
def sentinel(own_redis: RedisServer, replica: RedisServer, tmp_path: Path) -> Iterator[redis.Redis]:
    port, file = free_port(), tmp_path / "sentinel.conf"
    lines = [
        f"port {port}",
        "bind 127.0.0.1",
        f"sentinel monitor primary 127.0.0.1 {own_redis.port} 1",
        "sentinel down-after-milliseconds primary 1000",
        "sentinel failover-timeout primary 5000",
    ]
    file.write_text("\n".join(lines))
    process = subprocess.Popen([executable(), str(file), "--sentinel"], stdout=subprocess.DEVNULL)
    with redis.Redis(port=port) as client:
        wait_until(lambda: len(client.sentinel_slaves("primary")) == 1)
        yield client
    process.kill()
    process.wait()


async def test_queue_follows_the_primary(own_redis, replica, sentinel, make_task) -> None:
    port = sentinel.connection_pool.connection_kwargs["port"]
    url = f"redis+sentinel://127.0.0.1:{port}/primary/0"
    check(url)
    queue = RedisQueue(url)
    await queue.begin()
    await queue.open()
    task = make_task()
    assert await queue.admit(task, 1) is None
    await queue.ingest(task)

    own_redis.stop()
    wait_until(lambda: int(sentinel.sentinel_get_master_addr_by_name("primary")[1]) == replica.port)
    deadline = time.monotonic() + FAILOVER_S
    while True:
        with suppress(QueueUnavailableError):
            # What it knows came from elsewhere, so the logs are read again before anything is leased.
            assert not await queue.complete()
            break
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)
    await queue.begin()
    await queue.ingest(task)
    await queue.open()
    leased = await queue.lease("w", (), 1)
    assert leased is not None
    assert leased.task == task
    await queue.close()
    own_redis.start()


def test_address_is_parsed_with_its_options() -> None:
    sentinels = Sentinels.of("rediss+sentinel://me:hush@a:1,b/primary/3?sentinel_password=shh&ssl_ca_certs=/ca.pem")
    assert sentinels is not None
    assert sentinels.hosts == (("a", 1), ("b", 26379))
    assert (sentinels.service, sentinels.own) == ("primary", {"password": "shh"})
    expected = {"username": "me", "password": "hush", "db": 3, "ssl": True, "ssl_ca_certs": "/ca.pem"}
    assert sentinels.redis == expected
    assert Sentinels.of("redis://a:1/0") is None


def test_service_name_is_required() -> None:
    with pytest.raises(SettingsError, match="the name of the service is missing"):
        check("redis+sentinel://127.0.0.1:1/")


def test_unreachable_sentinels_are_waited_for(caplog) -> None:
    check("redis+sentinel://127.0.0.1:1/primary/0")
    assert "check that the Sentinels run" in caplog.text
