"""The child process that compiles passes, one after another, at the lowest priority. No step waits for it."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from models.compiled.forward_pass import ForwardPassSpec

log = logging.getLogger(__name__)

CHILD = "models.compiled.compile_worker"


@dataclass(slots=True)
class Job:
    """A pass that is being compiled."""

    spec: ForwardPassSpec
    process: subprocess.Popen[str]
    stderr: IO[str]


class Compiler:
    """Fills `folder`, which many workers may share. It compiles nothing if it cannot write there."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError if there is no folder and none can be created."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._waiting: deque[ForwardPassSpec] = deque()
        self._job: Job | None = None
        self.read_only = not os.access(folder, os.W_OK)

    @property
    def pid(self) -> int | None:
        """Of the child process, if one runs."""
        return None if self._job is None else self._job.process.pid

    def package(self, spec: ForwardPassSpec) -> Path:
        """The path of the pass's package, whether it exists or not."""
        return self._folder / f"{spec.name}.pt2"

    def enqueue(self, spec: ForwardPassSpec) -> None:
        """Compiles the pass after those that wait already."""
        if not self.read_only:
            self._waiting.append(spec)
            self._start_next()

    def poll(self) -> ForwardPassSpec | None:
        """The pass whose compilation ended since the last call, successfully or not."""
        if self._job is None or self._job.process.poll() is None:
            return None
        return self._end(self._job)

    def finish(self) -> Iterator[ForwardPassSpec]:
        """Waits for every pass that is still to be compiled, and yields it when its compilation ended."""
        while self._job is not None:
            self._job.process.wait()
            yield self._end(self._job)

    def close(self) -> None:
        """Kills the child process; nothing more is compiled."""
        self._waiting.clear()
        if self._job is not None:
            os.killpg(self._job.process.pid, signal.SIGKILL)
            self._job.process.wait()
            self._job.stderr.close()
            self._job = None

    def _start_next(self) -> None:
        if self._job is not None or not self._waiting:
            return
        spec = self._waiting.popleft()
        stderr = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it is read when the child has ended
        with tempfile.TemporaryFile("w+") as stdin:
            stdin.write(spec.to_json())
            stdin.seek(0)
            command = [sys.executable, "-m", CHILD, str(self.package(spec))]
            process = subprocess.Popen(
                command, stdin=stdin, stdout=subprocess.DEVNULL, stderr=stderr, text=True, process_group=0
            )
        self._job = Job(spec, process, stderr)
        log.info("%s is being compiled", spec.name)

    def _end(self, job: Job) -> ForwardPassSpec:
        with job.stderr as stderr:
            stderr.seek(0)
            lines = stderr.read().split("\n")
        if job.process.returncode:
            ended = f"the compiling process ended with {job.process.returncode}"
            reason = next((line for line in reversed(lines) if line.strip()), ended)
            log.warning("%s cannot be compiled, its steps run uncompiled: %s", job.spec.name, reason)
        self._job = None
        self._start_next()
        return job.spec
