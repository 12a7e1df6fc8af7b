"""The child process that owns a device: `python -m server.worker.device_main FD DEVICE`.

One thread steps the engine. One thread reads messages, one writes them, and the registry loads models in another, so
that nothing delays the steps. The process ends when its parent does.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue

import torch

import pipelines
from models.catalog.catalog import Catalog
from models.device_faults import DeviceLostError, raise_if_lost
from models.files.weights_error import WeightsError
from models.registry.loaders import dtype_for
from models.registry.registry import Registry
from pipelines.engine.audit import AuditError
from pipelines.engine.audit_policy import AuditPolicy
from pipelines.engine.engine import Engine
from pipelines.engine.events import Event, Failed, Finished, Parked
from pipelines.engine.execution.compile_policy import Compilation
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.execution.graph_capture import capture_on
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.scheduling.memory_model import Memory
from pipelines.engine.snapshot import Snapshot, SnapshotFormatError
from pipelines.engine.warmup import warm_up
from server.observability.logs import about, set_up_logs
from server.settings import Settings
from server.worker.device_start import end_if_load_hangs, load_first_models, read_catalog
from server.worker.messages import (
    Abort,
    DeviceStats,
    DeviceStatus,
    FromDevice,
    Park,
    Run,
    Starting,
    ToDevice,
    UseCatalog,
)
from server.worker.step_deaths.marks import StepMarks
from server.worker.step_deaths.step_deaths import StepDeaths
from server.worker.torch_device import (
    UnusableDeviceError,
    device_for,
    free_for_steps,
    require_usable,
    title,
    total_bytes,
    used_bytes,
)

log = logging.getLogger(__name__)
STATUS_S = 1.0
LIFE_S = 5.0
"""How often it sends its status at least, as a sign of life; but not during a forward pass."""
LOADING_S = 0.005
FLUSH_S = 5.0
LONGEST_WARM_UP_STEP_S = 2.0
"""Steps that take longer, as those of a full-size model on a CPU, are not measured before the first task."""
MODELS_FRACTION = 0.7
"""Of the device's memory; the rest is for activations."""
LOGGED_CODES = ("internal", WeightsError.code, AuditError.code)
"""Failures that are logged with their traceback: they are no user's fault."""
MIN_CAPACITY = 2
"""Tasks that the engine takes at least, so that the next one is ready when one ends."""


class DeviceLoop:
    """Passes messages to the engine and its events to the worker, between its steps."""

    def __init__(
        self,
        connection: Connection,
        engine: Engine,
        registry: Registry,
        device: torch.device,
        load_timeout_s: float,
        marks: StepMarks | None = None,
    ) -> None:
        self._connection = connection
        self._marks = marks
        self._total_bytes = total_bytes(device)
        self._engine = engine
        self._registry = registry
        self._device = device
        self._load_timeout_s = load_timeout_s
        self._inbox: SimpleQueue[ToDevice] = SimpleQueue()
        self._outbox: SimpleQueue[FromDevice | None] = SimpleQueue()
        self._written = threading.Event()
        self._running: set[str] = set()
        self._sent_status: DeviceStatus | None = None
        self._status_sent_at = 0.0
        self._stats_sent_at = 0.0
        self._busy_s = 0.0
        self._last_used = 0

    def run(self) -> None:
        """Raises DeviceLostError, or another error after which this process must end."""
        for work in (self._read, self._write):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()
        idle = True
        while True:
            self._send_status()
            self._send_stats()
            end_if_load_hangs(self._registry, self._load_timeout_s)
            self._handle_messages(wait_s=STATUS_S if not self._engine.busy else LOADING_S if idle else 0)
            events = self._step()
            idle = not events
            for event in events:
                self._send(event)
            if not self._engine.busy and self._marks is not None:
                self._marks.clear()

    def flush(self) -> None:
        """Waits until what was sent so far has left this process, but not for ever."""
        self._outbox.put(None)
        self._written.wait(FLUSH_S)

    def _step(self) -> list[Event]:
        if not self._engine.busy:
            return []
        began = time.monotonic()
        events = self._engine.step(self._show_life)
        self._busy_s += time.monotonic() - began
        return events

    def _handle_messages(self, wait_s: float) -> None:
        """Handles all messages that have arrived; waits up to `wait_s` for the first one."""
        try:
            message = self._inbox.get(timeout=wait_s) if wait_s else self._inbox.get_nowait()
            while True:
                self._handle(message)
                message = self._inbox.get_nowait()
        except Empty:
            return

    def _handle(self, message: ToDevice) -> None:
        match message:
            case Run(attempt_id, name, params, images, state, priority, image_audit, plain):
                self._running.add(attempt_id)
                pipeline = pipelines.find(name)
                validated = pipeline.Params.model_validate(params)
                snapshot = _snapshot(state)
                self._engine.add(attempt_id, pipeline, validated, images, snapshot, priority, image_audit, plain)
            case Abort(attempt_id):
                if self._engine.abort(attempt_id):
                    self._send(Failed(attempt_id, "aborted", "the task was stopped before it was done"))
            case Park(attempt_id):
                if (snapshot := self._engine.park(attempt_id)) is not None:
                    self._send(Parked(attempt_id, snapshot.to_bytes()))

    def _send(self, event: Event) -> None:
        if isinstance(event, Finished | Failed | Parked):
            self._running.discard(event.attempt_id)
        if isinstance(event, Failed) and event.code in LOGGED_CODES:
            with about(attempt=event.attempt_id):
                log.error("attempt %s: %s\n%s", event.attempt_id, event.message, event.trace)
        self._outbox.put(event)

    def _show_life(self) -> None:
        """During a step, so often that computing the status costs nothing."""
        if time.monotonic() - self._status_sent_at > LIFE_S:
            self._send_status()

    def _send_status(self) -> None:
        """When it has changed, and every few seconds as a sign of life."""
        status = DeviceStatus(
            device=title(self._device),
            resident=tuple(self._registry.resident),
            capacity=max(len(self._running) + self._engine.room, MIN_CAPACITY),
            memory_bytes=self._registry.bytes,
            broken=self._registry.broken,
        )
        if status != self._sent_status or time.monotonic() - self._status_sent_at > LIFE_S:
            self._sent_status, self._status_sent_at = status, time.monotonic()
            self._outbox.put(status)

    def _send_stats(self) -> None:
        if time.monotonic() - self._stats_sent_at < STATUS_S:
            return
        self._stats_sent_at = time.monotonic()
        registry = self._registry
        memory = {"models": registry.bytes, "used": self._used_bytes(), "total": self._total_bytes}
        steps, fallbacks = dict(self._engine.steps), self._engine.fallbacks
        self._outbox.put(DeviceStats(self._busy_s, steps, registry.loads, registry.evictions, memory, fallbacks))

    def _used_bytes(self) -> int:
        """The last figure if the device does not say it now."""
        try:
            self._last_used = used_bytes(self._device)
        except RuntimeError as error:
            raise_if_lost(error)
        return self._last_used

    def _read(self) -> None:
        try:
            while True:
                match message := self._connection.recv():
                    case UseCatalog(entries, problems):
                        self._registry.follow(Catalog(entries, problems))
                    case _:
                        self._inbox.put(message)
        except (EOFError, OSError):
            os._exit(0)  # the parent has ended, so the results are not needed

    def _write(self) -> None:
        try:
            while (message := self._outbox.get()) is not None:
                self._connection.send(message)
            self._written.set()
        except OSError:
            os._exit(0)


def _snapshot(state: bytes) -> Snapshot | None:
    """None to start from the beginning: there is no state, or this version cannot read it."""
    try:
        return Snapshot.from_bytes(state) if state else None
    except SnapshotFormatError as error:
        log.warning("a parked task starts again: %s", error)
        return None


def open_compilation(folder: Path | None) -> Compilation | None:
    """None if HUA_COMPILE is not set, or its folder cannot be used."""
    try:
        return Compilation(folder) if folder else None
    except OSError as error:
        log.warning("nothing is compiled, for the folder of HUA_COMPILE cannot be used: %s", error)
        return None


def main() -> None:
    """Ends the process at once, whatever its other threads wait for: a device that is lost may never answer them."""
    try:
        _own_device()
    except UnusableDeviceError as error:
        log.critical("%s", error)
    except BaseException:
        log.critical("the device process ends", exc_info=True)
    os._exit(1)


def _own_device() -> None:
    # Ctrl-C reaches the whole process group; the parent decides when the device stops, and what its models are.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    settings = Settings.load()
    set_up_logs(settings)
    device = device_for(sys.argv[2])
    deaths = StepDeaths(Path(sys.argv[3])) if len(sys.argv) > 3 else None
    marks = None if deaths is None else StepMarks.open(deaths.marks)

    def report(activity: str) -> None:
        connection.send(Starting(activity))

    require_usable(device)
    models = read_catalog(settings.models_paths, report)
    budget = int(settings.device_memory or total_bytes(device) * MODELS_FRACTION)
    registry = Registry(models, device, dtype_for(device), budget, int(settings.host_memory))
    capacity, graphs = Capacity(), Graphs(capture_on(device), compilation=open_compilation(settings.compile))
    if deaths is not None and marks is not None:
        graphs.avoided, graphs.on_step = deaths.avoided, marks.begin
    free = partial(free_for_steps, device, lambda: registry.bytes + graphs.bytes) if device.type == "cuda" else None
    memory = Memory(free, lambda: registry.moves)
    if settings.warm_up:
        measure = partial(
            warm_up, capacity=capacity, memory=memory, graphs=graphs, longest_step_s=LONGEST_WARM_UP_STEP_S
        )
        load_first_models(registry, settings, measure, report)
    audit = AuditPolicy(settings.audit, settings.audit_all)
    engine = Engine(registry, capacity, memory, graphs, audit)
    loop = DeviceLoop(connection, engine, registry, device, settings.load_timeout, marks)
    try:
        loop.run()
    except DeviceLostError:
        loop.flush()
        raise


if __name__ == "__main__":
    main()
