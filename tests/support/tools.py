"""What the servers that tests run have in common: programs, ports, and one builder at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

TOOLS = Path.home() / ".cache" / "hua-test"


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Of all processes that run tests, one at a time is in such a block: what it fetches or builds, the others find."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def installed(name: str, package: str) -> str:
    """A program, installed where that is ours to do: tests that need it are never left out."""
    if found := shutil.which(name):
        return found
    if os.geteuid() == 0 and Path("/etc/debian_version").exists():
        with alone():
            for words in ("update", f"install --yes --no-install-recommends {package}"):
                subprocess.run(["apt-get", *words.split()], check=True, capture_output=True)
    found = shutil.which(name)
    assert found, f"there is no {name}; install it (Debian: apt-get install {package}), then test again"
    return found


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Different ones: all are held until the last is found."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def until_it_answers(
    name: str, process: subprocess.Popen[bytes], answers: Callable[[], bool], within_s: float, log: Path | None = None
) -> None:
    """Waits for a server that was just started; one that fails is told of with its `log`, if it keeps one."""

    def hint() -> str:
        return log.read_text() if log else "run it by hand to see why"

    deadline = time.monotonic() + within_s
    while not answers():
        assert process.poll() is None, f"{name} ended at once: {hint()}"
        assert time.monotonic() < deadline, f"{name} does not answer: {hint()}"
        time.sleep(0.02)


def until(true: Callable[[], bool], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def hold_still(child: subprocess.Popen[Any]) -> None:
    """Returns once all its threads stand still: one that runs on another core meanwhile may yet answer."""
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
