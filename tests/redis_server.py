"""A real Redis on a loopback port, for tests: nothing is kept on disk."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import redis

START_S = 10


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


class RedisServer:
    """May be stopped, started again with nothing in it, and emptied. With a `folder` of its own it is started with
    what it was told to SAVE there, if that file is still there."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or Path(tempfile.gettempdir())
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        # What a replica is sent passes through a file there.
        options += ["--dir", str(self.folder), "--rdb-del-sync-files", "yes"]
        command = [executable(), *options, "--maxmemory-policy", "noeviction"]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_S
        while not self._answers():
            assert self._process.poll() is None, "redis-server ended at once; run it by hand to see why"
            assert time.monotonic() < deadline, "redis-server does not answer"
            time.sleep(0.02)

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


def executable() -> str:
    """Installed where that is ours to do: tests of the queue on Redis are never left out."""
    if found := shutil.which("redis-server"):
        return found
    if os.geteuid() == 0 and Path("/etc/debian_version").exists():
        for words in ("update", "install --yes --no-install-recommends redis-server"):
            subprocess.run(["apt-get", *words.split()], check=True, capture_output=True)
    found = shutil.which("redis-server")
    assert found, "there is no redis-server; install it (Debian: apt-get install redis-server), then test again"
    return found
