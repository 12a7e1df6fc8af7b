"""Each role as a process of its own over Kafka, Redis and S3: an image, its link, and two roles that are stopped.

That nothing is lost under faults is tested by tests/chaos.
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

from tests.support.running_service import RunningService
from tests.support.s3_server import S3Server
from tests.support.tools import until


@pytest.fixture
def service_roles(
    tmp_path: Path, models_dir: Path, redis_url: str, kafka_url: str, running_s3: S3Server, s3_settings: dict
) -> Iterator[RunningService]:
    """Controller, worker and API, in this order."""
    environment = {f"HUA_{name.upper()}": str(value) for name, value in s3_settings.items()}
    environment |= {"HUA_QUEUE": redis_url, "HUA_BROKER": kafka_url.replace("partitions=1", "partitions=3")}
    environment |= {"HUA_S3_PUBLIC_ENDPOINT": running_s3.endpoint, "HUA_DRAIN_S": "0", "HUA_WARM_UP": "false"}
    with closing(RunningService(tmp_path / "data", models_dir, **environment)) as service:
        service.start("controller", "worker", "api")
        yield service


def test_roles_store_images_in_s3_and_hand_over_a_running_task(service_roles: RunningService) -> None:
    stores_image_in_s3(service_roles)
    hands_over_running_task(service_roles)


def stores_image_in_s3(roles: RunningService) -> None:
    task = roles.ended(roles.submit(seed=7))
    redirect = roles.http.get(task["images"][0]["url"])
    assert redirect.status_code == 307
    image = httpx.get(redirect.headers["location"], trust_env=False)
    assert hashlib.sha256(image.content).hexdigest() == task["images"][0]["sha256"]
    assert image.headers["content-type"] == "image/png"
    assert not (roles.data_dir / "bucket").exists()


def hands_over_running_task(roles: RunningService) -> None:
    """A worker that is stopped parks its task at a step, and the next worker continues there to the same image."""
    params = {"num_steps": 50, "w": 192, "h": 192, "seed": 3, "sampler": "dpmpp_2m_sde"}
    task_id = roles.submit(**params)
    until(lambda: step_of(roles.task(task_id)) >= 10)
    stop(roles.processes.pop(1))
    roles.processes.append(roles.run("worker"))
    roles.processes.append(roles.run("controller"))
    steps = []

    def has_succeeded() -> bool:
        task = roles.task(task_id)
        steps.append(step_of(task))
        return task["status"] == "succeeded"

    until(has_succeeded, 90)
    assert min(step for step in steps if step) >= 10, "the task began again"
    stop(roles.processes.pop(0))  # the leading controller; the other one takes over
    undisturbed = roles.ended(roles.submit(**params), 90)
    assert roles.task(task_id)["images"][0]["sha256"] == undisturbed["images"][0]["sha256"]
    for process in reversed(roles.processes):
        stop(process)


def step_of(task: dict) -> int:
    return (task["progress"] or {"step": 0})["step"]


def stop(process: subprocess.Popen[bytes]) -> None:
    """Sends SIGTERM and waits for a clean exit."""
    os.killpg(process.pid, signal.SIGTERM)
    assert process.wait(timeout=60) == 0
