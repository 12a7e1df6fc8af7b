"""A whole Hua, started as an operator starts it: `hua serve`, or its roles, each in a process group of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.tools import free_port

START_S = 150


class House:
    """One data folder, and the process groups that serve it; may be killed and started again."""

    def __init__(self, data_dir: Path, models_dir: Path, **environment: str) -> None:
        self.data_dir, self.models_dir = data_dir, models_dir
        self.port = free_port()
        self._environment = os.environ | {
            "HUA_DATA_DIR": str(data_dir),
            "HUA_MODELS_DIR": str(models_dir),
            "HUA_PORT": str(self.port),
            "HUA_DEVICE": "cpu",
            "HUA_EGRESS_ALLOW": "127.0.0.0/8",
            "HUA_METRICS_PORT": "0",
            **environment,
        }
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=70, trust_env=False)

    def start(self, *roles: str) -> None:
        """`hua serve`, or each of these `roles`; the last one answers."""
        self.processes = [self.run(role) for role in roles or ("serve",)]
        self.process = self.processes[-1]
        self.until(self.is_ready, START_S)

    def run(self, role: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "server", role]
        with (self.data_dir.parent / "house.log").open("a") as lines:
            return subprocess.Popen(command, env=self._environment, stderr=lines, start_new_session=True)

    def is_ready(self) -> bool:
        assert self.process.poll() is None, (self.data_dir.parent / "house.log").read_text()
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """kill -9 of the whole group, or of all."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def device_pid(self) -> int | None:
        """The process that owns the device."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        commands = {int(child): Path(f"/proc/{child}/cmdline").read_bytes() for child in children}
        return next((pid for pid, command in commands.items() if b"server.worker.device_main" in command), None)

    def submit(self, **params: Any) -> str:
        body = {"type": "txt2img.sd", "params": {"w": 64, "h": 64, "num_steps": 2, "text": "a house", **params}}
        reply = self.http.post("/v1/tasks", json=body)
        assert reply.status_code == 202, reply.text
        return str(reply.json()["id"])

    def task(self, task_id: str) -> dict[str, Any]:
        reply = self.http.get(f"/v1/tasks/{task_id}")
        assert reply.status_code == 200, reply.text
        view: dict[str, Any] = reply.json()
        return view

    def ended(self, task_id: str, within_s: float = 60) -> dict[str, Any]:
        self.until(lambda: self.task(task_id)["status"] in {"succeeded", "failed", "canceled"}, within_s)
        return self.task(task_id)

    def until(self, true: Any, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not true():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    def close(self) -> None:
        self.kill()
        self.http.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[House]:
    """One that the tests of a file share."""
    one = House(tmp_path_factory.mktemp("serve") / "data", models_dir)
    with closing(one):
        one.start()
        yield one


@pytest.fixture
def own_house(tmp_path: Path, models_dir: Path) -> Iterator[House]:
    """One that a test may kill."""
    one = House(tmp_path / "data", models_dir)
    with closing(one):
        one.start()
        yield one


class Sink:
    """A callback receiver; keeps every body and its headers by path."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes, dict[str, str]]] = []
        sink = self

        class Receiver(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                sink.received.append((self.path, body, {name.lower(): value for name, value in self.headers.items()}))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = HTTPServer(("127.0.0.1", 0), Receiver)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def sink() -> Iterator[Sink]:
    one = Sink()
    yield one
    one.close()
