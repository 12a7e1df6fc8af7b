"""A real Redis on a loopback port, for tests. It writes nothing to disk."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import redis

from tests.support.tools import free_port, installed, until_it_answers

START_S = 10
FAILOVER_S = 30


class RedisServer:
    """May be stopped, started again empty, and flushed.

    With a `folder` of its own it starts with what a SAVE command has written there, if that file still exists."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.gettempdir())
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self, *more: str) -> None:
        """`more` are further options of redis-server."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        # A full sync to a replica passes through a file in this folder.
        options += ["--dir", str(self.folder), "--rdb-del-sync-files", "yes"]
        command = [executable(), *options, "--maxmemory-policy", "noeviction", *more]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        until_it_answers("redis-server", self._process, self._answers, START_S)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def flush(self) -> None:
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url) as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False


def wait_until(condition: Callable[[], bool]) -> None:
    """Fails after `FAILOVER_S`. Errors of Redis count as false."""
    deadline = time.monotonic() + FAILOVER_S
    while time.monotonic() < deadline:
        with suppress(redis.RedisError):
            if condition():
                return
        time.sleep(0.1)
    raise AssertionError(f"the condition was still false after {FAILOVER_S} s")


def executable() -> str:
    return installed("redis-server", "redis-server")
