"""The child process that compiles passes, one after another, at the lowest priority; no step waits for it."""

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

    wanted: ForwardPassSpec
    process: subprocess.Popen[str]
    complaints: IO[str]


class Compiler:
    """Fills `folder`, which many workers may share; into one that it may not write to it puts nothing."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError if there is no folder and none can be made."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._waiting: deque[ForwardPassSpec] = deque()
        self._job: Job | None = None
        self.read_only = not os.access(folder, os.W_OK)

    def package(self, wanted: ForwardPassSpec) -> Path:
        """Where the package of this pass is, or would be."""
        return self._folder / f"{wanted.name}.pt2"

    def ask(self, wanted: ForwardPassSpec) -> None:
        """Has it compiled when its turn comes."""
        if not self.read_only:
            self._waiting.append(wanted)
            self._begin()

    def ended(self) -> ForwardPassSpec | None:
        """The pass that was compiled, or could not be, since this was last asked."""
        if self._job is None or self._job.process.poll() is None:
            return None
        return self._end(self._job)

    def finish(self) -> Iterator[ForwardPassSpec]:
        """Waits for each that is still to be compiled, and tells it."""
        while self._job is not None:
            self._job.process.wait()
            yield self._end(self._job)

    def close(self) -> None:
        """What is under way comes to nothing."""
        self._waiting.clear()
        if self._job is not None:
            os.killpg(self._job.process.pid, signal.SIGKILL)
            self._job.process.wait()
            self._job.complaints.close()
            self._job = None

    def _begin(self) -> None:
        if self._job is not None or not self._waiting:
            return
        wanted = self._waiting.popleft()
        complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - it is read when the child has ended
        with tempfile.TemporaryFile("w+") as told:
            told.write(wanted.to_json())
            told.seek(0)
            command = [sys.executable, "-m", CHILD, str(self.package(wanted))]
            process = subprocess.Popen(
                command, stdin=told, stdout=subprocess.DEVNULL, stderr=complaints, text=True, process_group=0
            )
        self._job = Job(wanted, process, complaints)
        log.info("%s is being compiled", wanted.name)

    def _end(self, job: Job) -> ForwardPassSpec:
        with job.complaints as complaints:
            complaints.seek(0)
            lines = complaints.read().split("\n")
        if job.process.returncode:
            said = next((line for line in reversed(lines) if line.strip()), f"it ended with {job.process.returncode}")
            log.warning("%s cannot be compiled, its steps run as they are: %s", job.wanted.name, said)
        self._job = None
        self._begin()
        return job.wanted
