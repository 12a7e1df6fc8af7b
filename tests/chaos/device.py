"""A device process without a GPU.

`python -m tests.chaos.device FD DEVICE` is started as `server.worker.device_main` is.

Each picture is a function of what was asked (tests/chaos/fake_images.py), each step takes a few milliseconds, and every
run is written down in the file that CHAOS_RUNS names. CHAOS_CAPACITY and CHAOS_STEP_S make it larger or slower. A task
whose text begins with "poison" kills the process half way; "fragile", unless its step runs plainly. The first one whose
text begins with "hang" stops it there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from pipelines.engine.events import Advanced, Failed, Finished, Parked
from pipelines.pipeline import TaskResult
from server.worker.messages import Abort, DeviceStats, DeviceStatus, FromDevice, Park, Run, UseCatalog
from server.worker.step_deaths.marks import StepMarks
from server.worker.step_deaths.step_deaths import StepDeaths
from tests.chaos.fake_images import picture

CAPACITY = 2
STEP_S = 0.02
LIFE_S = 0.2
"""How often an idle device sends a sign of life, as the real one does."""
MODEL = "toy"


class Painter:
    """One thread per run. A thread that sends to the parent holds `_line`."""

    def __init__(self, connection: Connection, runs: Path) -> None:
        self._connection = connection
        self._line = threading.Lock()
        self._runs = runs
        self._busy_s, self._steps = 0.0, 0
        self._messages: dict[str, Abort | Park] = {}
        self._step_s = float(os.environ.get("CHAOS_STEP_S", STEP_S))
        self._deaths = StepDeaths(Path(sys.argv[3]))
        self._avoided, self._marks = self._deaths.avoided, StepMarks(self._deaths.marks)

    def serve(self) -> None:
        self._send_status({})
        self._send(DeviceStats(loads={"disk": 1}, memory={"models": 1 << 20, "used": 2 << 20, "total": 16 << 20}))
        while True:
            try:
                while not self._connection.poll(LIFE_S):
                    self._send(DeviceStats(self._busy_s, {2: self._steps}, {"disk": 1}))
                message = self._connection.recv()
            except (EOFError, OSError):
                os._exit(0)
            if isinstance(message, Run):
                threading.Thread(target=self._run, args=(message,), daemon=True).start()
            elif isinstance(message, UseCatalog):
                self._send_status({problem.path.name: problem.message for problem in message.problems})
            else:
                self._messages[message.attempt_id] = message

    def _send_status(self, broken: dict[str, str]) -> None:
        capacity = int(os.environ.get("CHAOS_CAPACITY", CAPACITY))
        self._send(DeviceStatus(sys.argv[2], (MODEL,), capacity, 0, broken))

    def _run(self, run: Run) -> None:
        steps, first = int(run.params["num_steps"]), int(run.state or b"0")
        self._note("began", run)
        for step in range(first + 1, steps + 1):
            time.sleep(self._step_s)
            match self._messages.pop(run.attempt_id, None):
                case Abort():
                    self._note("aborted", run)
                    return self._send(Failed(run.attempt_id, "aborted", "the task was stopped before it was done"))
                case Park():
                    self._note("parked", run)
                    return self._send(Parked(run.attempt_id, str(step - 1).encode()))
            if run.params["text"].startswith("poison") and step * 2 >= steps:
                os.kill(os.getpid(), signal.SIGKILL)
            if run.params["text"].startswith("fragile") and not (run.plain or run.params["text"] in self._avoided):
                self._marks.begin(run.params["text"])
                os.kill(os.getpid(), signal.SIGKILL)
            if run.params["text"].startswith("hang") and step * 2 >= steps:
                self._hang_once()
            self._send(Advanced(run.attempt_id, step, steps))
        self._note("ended", run)
        busy_s = steps * self._step_s
        self._busy_s += busy_s
        self._steps += steps
        self._send(DeviceStats(self._busy_s, {2: self._steps}, {"disk": 1}))
        seconds, parts = {"load": 0.0, "run": busy_s}, {"denoise": busy_s}
        return self._send(Finished(run.attempt_id, TaskResult([picture(run.params, run.images)]), seconds, parts))

    def _hang_once(self) -> None:
        try:
            self._runs.with_name("hung").touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGSTOP)
        threading.Event().wait()  # the signal may reach this thread a little later

    def _send(self, message: FromDevice) -> None:
        with self._line:
            try:
                self._connection.send(message)
            except OSError:
                os._exit(0)

    def _note(self, what: str, run: Run) -> None:
        """Appends one short line in a single write."""
        record = {"at": time.time(), "what": what, "text": run.params["text"], "attempt": run.attempt_id}
        where = {
            "from": int(run.state or b"0"),
            "model": run.params.get("model", ""),
            "worker": int(sys.argv[2].partition(":")[2] or 0),
        }
        line = json.dumps(record | where)
        with self._runs.open("a") as lines:
            lines.write(line + "\n")


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Painter(Connection(int(sys.argv[1])), Path(os.environ["CHAOS_RUNS"])).serve()


if __name__ == "__main__":
    main()
