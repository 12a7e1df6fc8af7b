"""Each role as a process of its own over Kafka, Redis and S3: a picture, its link, and two that are told to leave.

That nothing is lost under faults is what tests/chaos is for.
"""

import hashlib
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.conftest import House
from tests.support.s3_server import S3Server


@pytest.fixture
def roles(
    tmp_path: Path, models_dir: Path, redis_url: str, kafka_url: str, running_s3: S3Server, s3_settings: dict
) -> Iterator[House]:
    middleware = {f"HUA_{name.upper()}": str(value) for name, value in s3_settings.items()}
    middleware |= {"HUA_QUEUE": redis_url, "HUA_BROKER": kafka_url.replace("partitions=1", "partitions=3")}
    middleware |= {"HUA_S3_PUBLIC_ENDPOINT": running_s3.endpoint}
    with closing(House(tmp_path / "data", models_dir, HUA_DRAIN_S="0", **middleware)) as house:
        house.start("controller", "worker", "api")
        yield house


def test_a_picture_lies_in_s3_and_a_worker_that_leaves_hands_its_own_over_mid_way(roles: House) -> None:
    made = roles.ended(roles.submit(seed=7))
    redirect = roles.http.get(made["images"][0]["url"])
    assert redirect.status_code == 307
    picture = httpx.get(redirect.headers["location"], trust_env=False)
    assert hashlib.sha256(picture.content).hexdigest() == made["images"][0]["sha256"]
    assert picture.headers["content-type"] == "image/png"
    assert not (roles.data_dir / "bucket").exists()

    wanted = {"num_steps": 50, "w": 192, "h": 192, "seed": 3, "sampler": "dpmpp_2m_sde"}
    task_id = roles.submit(**wanted)
    roles.until(lambda: step_of(roles.task(task_id)) >= 10, 60)
    leaves(roles.processes.pop(1))
    roles.processes.append(roles.run("worker"))
    roles.processes.append(roles.run("controller"))
    seen = []

    def ended() -> bool:
        task = roles.task(task_id)
        seen.append(step_of(task))
        return task["status"] == "succeeded"

    roles.until(ended, 90)
    assert min(step for step in seen if step) >= 10, "begun anew"
    leaves(roles.processes.pop(0))  # the leading controller; the other one goes on
    undisturbed = roles.ended(roles.submit(**wanted), 90)
    assert roles.task(task_id)["images"][0]["sha256"] == undisturbed["images"][0]["sha256"]
    for process in reversed(roles.processes):
        leaves(process)


def step_of(task: dict) -> int:
    return (task["progress"] or {"step": 0})["step"]


def leaves(process: subprocess.Popen[bytes]) -> None:
    """Asks for it, and waits until it has."""
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(timeout=60) == 0
