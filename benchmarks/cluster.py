"""Kafka, Redis, an api and a controller as real processes, for benchmarks over HTTP."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.kafka_server import KafkaServer
from tests.support.redis_server import RedisServer
from tests.support.tools import free_port

MODELS = "models: [{name: toy, path: toy.safetensors, family: sd1, aliases: [v1.5]}]"
BODY = {"type": "txt2img.sd", "params": {"text": "a lighthouse"}}


@dataclass(frozen=True)
class Roles:
    port: int
    """Of the api."""
    pids: dict[str, int]
    """Process ids by role."""

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds of each process."""
        ticks = os.sysconf("SC_CLK_TCK")
        stats = {
            role: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for role, pid in self.pids.items()
        }
        return {role: (int(fields[11]) + int(fields[12])) / ticks for role, fields in stats.items()}


@contextlib.contextmanager
def servers(folder: Path) -> Iterator[tuple[str, str]]:
    """The URLs of a new Kafka and a new Redis."""
    (folder / "kafka").mkdir()
    kafka, redis = KafkaServer(folder / "kafka"), RedisServer()
    kafka.start()
    redis.start()
    try:
        yield f"kafka://{kafka.address}", redis.url
    finally:
        redis.stop()
        kafka.stop()


@contextlib.contextmanager
def roles(folder: Path, kafka: str, redis: str) -> Iterator[Roles]:
    """A ready api, and a controller."""
    models = folder / "models"
    models.mkdir()
    (models / "models.yaml").write_text(MODELS)
    (models / "toy.safetensors").write_bytes(b"weights")
    port = free_port()
    settings = {
        "HUA_DATA_DIR": str(folder / "data"),
        "HUA_MODELS_DIR": str(models),
        "HUA_PORT": str(port),
        "HUA_BROKER": kafka,
        "HUA_QUEUE": redis,
        "HUA_TASK_LIMIT": "1000000",
    }
    running = {
        role: subprocess.Popen(
            [sys.executable, "-m", "server", role], env=os.environ | settings, stderr=subprocess.DEVNULL
        )
        for role in ("controller", "api")
    }
    try:
        while not _is_ready(port):
            time.sleep(0.2)
        yield Roles(port, {role: process.pid for role, process in running.items()})
    finally:
        for process in running.values():
            process.terminate()
            process.wait()


def _is_ready(port: int) -> bool:
    """The api answers 404 for an unknown task only when it has read the logs, and then it also accepts tasks."""
    try:
        return httpx.get(f"http://127.0.0.1:{port}/v1/tasks/{'0' * 32}", trust_env=False).status_code == 404
    except httpx.TransportError:
        return False
