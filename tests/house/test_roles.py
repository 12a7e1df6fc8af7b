"""Each role as a process of its own, with nothing between them but Redis and a data folder."""

import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.house.conftest import House
from tests.redis_server import RedisServer

ROLES = ("controller", "worker", "api")


@pytest.fixture
def roles(tmp_path: Path, models_dir: Path, own_redis: RedisServer) -> Iterator[House]:
    with closing(House(tmp_path / "data", models_dir, HUA_QUEUE=own_redis.url)) as house:
        house.start(*ROLES)
        yield house


def test_the_roles_serve_together_though_redis_comes_and_goes(roles: House, own_redis: RedisServer) -> None:
    first = roles.ended(roles.submit(seed=7))
    assert first["status"] == "succeeded"
    assert roles.http.get(first["images"][0]["url"]).headers["content-type"] == "image/png"

    waiting = [roles.submit(num_steps=12, w=128, h=128) for _ in range(8)]
    own_redis.flush()
    roles.until(roles.is_ready, 30)
    assert {roles.ended(task_id)["status"] for task_id in waiting} == {"succeeded"}
    assert roles.task(first["id"])["images"][0]["sha256"] == first["images"][0]["sha256"]

    own_redis.stop()
    refused = roles.http.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": "a house"}})
    assert refused.status_code == 503
    assert "see that Redis runs" in refused.text
    assert roles.http.get("/healthz").status_code == 200
    own_redis.start()
    roles.until(roles.is_ready, 30)
    assert roles.ended(roles.submit(seed=8))["status"] == "succeeded"

    for process in reversed(roles.processes):
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(timeout=60) == 0


def test_a_worker_that_leaves_hands_its_image_over_mid_way(tmp_path: Path, models_dir: Path, redis_url: str) -> None:
    """Another one goes on from the very step, and ends in the identical picture."""
    wanted = {"num_steps": 60, "w": 256, "h": 256, "seed": 3, "sampler": "dpmpp_2m_sde"}
    with closing(House(tmp_path / "data", models_dir, HUA_QUEUE=redis_url, HUA_DRAIN_S="0")) as house:
        house.start("controller", "worker", "api")
        first = house.processes[1]
        task_id = house.submit(**wanted)

        def step() -> int:
            return (house.task(task_id)["progress"] or {"step": 0})["step"]

        house.until(lambda: step() >= 10, 60)
        os.killpg(first.pid, signal.SIGTERM)
        house.processes.append(house.run("worker"))
        seen = []

        def ended() -> bool:
            task = house.task(task_id)
            seen.append((task["progress"] or {"step": 99})["step"])
            return task["status"] == "succeeded"

        assert first.wait(timeout=30) == 0
        house.until(ended, 60)
        handed_over = house.task(task_id)
        assert min(step for step in seen if step) >= 10
        undisturbed = house.ended(house.submit(**wanted))
        assert handed_over["images"][0]["sha256"] == undisturbed["images"][0]["sha256"]
