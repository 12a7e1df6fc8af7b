"""A whole Hua, started as an operator starts it: `hua serve`, or its roles, each in a process group of its own."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

from tests.support.tools import free_port, until

ROOT = Path(__file__).parents[2]
START_S = 150


class RunningService:
    """One data folder, and the process groups that serve it. They may be killed and started again."""

    def __init__(self, data_dir: Path, models_dir: Path | str, **environment: str) -> None:
        """`models_dir` is HUA_MODELS_DIR."""
        self.data_dir = data_dir
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
        self._log = data_dir.parent / "service.log"
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=70, trust_env=False)

    def start(self, *roles: str) -> None:
        """`hua serve`, or each of these `roles`, of which the last answers HTTP requests."""
        self.processes = [self.run(role) for role in roles or ("serve",)]
        self.process = self.processes[-1]
        until(self._is_ready, START_S)

    def run(self, role: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "server", role]
        with self._log.open("a") as log:
            return subprocess.Popen(command, env=self._environment, stderr=log, start_new_session=True)

    def _is_ready(self) -> bool:
        assert self.process.poll() is None, self._log.read_text()
        try:
            return self.http.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """kill -9 of every process group."""
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
        """The id of a new text-to-image task, 64×64 in two steps unless `params` say otherwise."""
        body = {"type": "txt2img.sd", "params": {"w": 64, "h": 64, "num_steps": 2, "text": "a house", **params}}
        response = self.http.post("/v1/tasks", json=body)
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    def task(self, task_id: str) -> dict[str, Any]:
        response = self.http.get(f"/v1/tasks/{task_id}")
        assert response.status_code == 200, response.text
        view: dict[str, Any] = response.json()
        return view

    def ended(self, task_id: str, within_s: float = 60) -> dict[str, Any]:
        """Waits for the end of a task; its last view."""
        until(lambda: self.task(task_id)["status"] in {"succeeded", "failed", "canceled"}, within_s)
        return self.task(task_id)

    def run_script(self, script: str, folder: Path) -> str:
        """What a script of the docs prints, run in `folder` with this service in place of that of the docs."""
        bin_folder = folder / "bin"
        bin_folder.mkdir(exist_ok=True)
        hua = bin_folder / "hua"
        hua.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m server "$@"\n')
        hua.chmod(0o755)
        environment = self._environment | {"PATH": f"{bin_folder}:{os.environ['PATH']}"}
        script = script.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
        result = subprocess.run(["bash", "-ec", script], cwd=folder, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout

    def run_python(self, program: str, folder: Path) -> list[str]:
        """The lines that a program of the docs prints, as `run_script`; in this process, because imports take long."""
        printed = io.StringIO()
        program = program.replace("127.0.0.1:8000", f"127.0.0.1:{self.port}")
        with contextlib.chdir(folder), contextlib.redirect_stdout(printed):
            exec(compile(program, "docs", "exec"), {})
        return printed.getvalue().splitlines()

    def close(self) -> None:
        self.kill()
        self.http.close()
