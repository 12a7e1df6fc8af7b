"""Every role as a process of its own over Kafka and Redis: two controllers, of which the leading one is killed."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from kafka import KafkaConsumer, TopicPartition

from server.queue.scripts import ROOT
from tests.house.conftest import House
from tests.redis_server import RedisServer


@pytest.fixture
def roles(tmp_path: Path, models_dir: Path, own_redis: RedisServer, kafka_url: str) -> Iterator[House]:
    """The first controller leads, for the second one comes when all is running."""
    broker = kafka_url.replace("partitions=1", "partitions=3")
    with closing(House(tmp_path / "data", models_dir, HUA_QUEUE=own_redis.url, HUA_BROKER=broker)) as house:
        house.start("controller", "worker", "api")
        house.processes.append(house.run("controller"))
        yield house


def left_to_read(kafka_url: str) -> int:
    """How many records of both logs are not committed."""
    address, prefix = kafka_url.split("/")[2], kafka_url.rpartition("/")[2].partition("?")[0]
    with closing(KafkaConsumer(bootstrap_servers=address, group_id=f"{prefix}controller")) as group:
        places = [TopicPartition(f"{prefix}{log}", number) for log in ("tasks", "outcomes") for number in range(3)]
        ends = group.end_offsets(places)
        return sum(ends[place] - (group.committed(place) or 0) for place in places)


def test_a_standby_takes_over_when_the_leading_controller_is_killed(
    roles: House, own_redis: RedisServer, kafka_url: str
) -> None:
    first = roles.ended(roles.submit(seed=7))
    assert roles.http.get(first["images"][0]["url"]).headers["content-type"] == "image/png"

    waiting = [roles.submit(num_steps=12, w=128, h=128, seed=seed) for seed in range(6)]
    leader = roles.processes.pop(0)
    os.kill(leader.pid, signal.SIGKILL)
    leader.wait()
    with closing(redis.Redis.from_url(own_redis.url)) as client:
        client.pexpire(f"{ROOT}:leader", 500)  # or ten seconds later
    assert {roles.ended(task_id)["status"] for task_id in waiting} == {"succeeded"}
    roles.until(lambda: left_to_read(kafka_url) == 0, 30)

    for process in roles.processes:
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(timeout=60) == 0
