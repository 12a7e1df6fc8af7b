"""What test servers share: programs, ports, waiting, and a lock so that one process builds at a time."""

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
def build_lock() -> Iterator[None]:
    """One test process at a time is in such a block. The others then find what it fetched or built."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    with (TOOLS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def installed(name: str, package: str) -> str:
    """The path of a program. On Debian, as root, a missing one is installed, so no test is skipped for it."""
    if found := shutil.which(name):
        return found
    if os.geteuid() == 0 and Path("/etc/debian_version").exists():
        with build_lock():
            for words in ("update", f"install --yes --no-install-recommends {package}"):
                subprocess.run(["apt-get", *words.split()], check=True, capture_output=True)
    found = shutil.which(name)
    assert found, f"there is no {name}; install it (Debian: apt-get install {package}), then test again"
    return found


def free_port() -> int:
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Different ones: all stay bound until the last is found."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(listener.getsockname()[1]) for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def until_it_answers(
    name: str, process: subprocess.Popen[bytes], answers: Callable[[], bool], within_s: float, log: Path | None = None
) -> None:
    """Waits for a server that was just started. A failure shows its `log`, if it writes one."""

    def hint() -> str:
        return log.read_text() if log else "run it by hand to see why"

    deadline = time.monotonic() + within_s
    while not answers():
        assert process.poll() is None, f"{name} ended at once: {hint()}"
        assert time.monotonic() < deadline, f"{name} does not answer: {hint()}"
        time.sleep(0.02)


def until(condition: Callable[[], object], within_s: float = 60) -> None:
    """Waits until `condition()` is true."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.02)


def suspend(child: subprocess.Popen[Any]) -> None:
    """Returns when all its threads have stopped: until then one on another core may still answer."""
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED)
