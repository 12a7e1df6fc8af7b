"""The child process that owns a device: `python -m server.worker.device_main FD DEVICE`.

One thread steps the engine; one reads messages, one writes them, and the registry loads models in another, so that
nothing but the device's own work is on its path. It ends when its parent does.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from queue import Empty, SimpleQueue

import torch

import pipelines
from models import catalog
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from models.registry.loaders import dtype_for
from models.registry.registry import Registry
from pipelines.engine.audit import Audit, AuditError
from pipelines.engine.engine import Engine
from pipelines.engine.events import Advanced, Event, Failed, Finished
from pipelines.engine.execution.compile_policy import Compilation
from pipelines.engine.execution.cuda_graphs import Graphs, capture_on
from pipelines.engine.recipe_run import Parked
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.scheduling.memory_model import Memory
from pipelines.engine.snapshot import ParkedFormError, packed, unpacked
from pipelines.engine.warmup import warm_up
from server.observability.logs import about, set_up_logs
from server.settings import Settings
from server.worker import messages
from server.worker.messages import Abort, DeviceStats, DeviceStatus, FromDevice, Park, Run, ToDevice

log = logging.getLogger(__name__)
VITALS_S = 1.0
LOADING_S = 0.005
MODELS_SHARE = 0.7
"""Of the device's memory; the rest is for activations."""
STEPS_SHARE = 0.9
"""Of the device's memory, for models and steps together; the rest is for decoding and for what CUDA keeps."""
TOLD = ("internal", AuditError.code)
"""Failures that the log tells of: they are no user's fault."""
AT_HAND = 2
"""Tasks that the engine is given at least, so that the next one is there when one ends."""


class DeviceLoop:
    """Moves messages into the engine and its events out, one step after another."""

    def __init__(self, connection: Connection, engine: Engine, registry: Registry, device: torch.device) -> None:
        self._connection = connection
        self._engine = engine
        self._registry = registry
        self._device = device
        self._inbox: SimpleQueue[ToDevice] = SimpleQueue()
        self._outbox: SimpleQueue[FromDevice] = SimpleQueue()
        self._running: set[str] = set()
        self._told: DeviceStatus | None = None
        self._told_at = 0.0
        self._busy_s = 0.0
        self._tallied_at = 0.0

    def run(self) -> None:
        for work in (self._read, self._write):
            threading.Thread(target=work, name=work.__name__, daemon=True).start()
        idle = True
        while True:
            self._tell_vitals()
            self._tell_tally()
            self._take_messages(wait_s=VITALS_S if not self._engine.busy else LOADING_S if idle else 0)
            events = self._step()
            idle = not events
            for event in events:
                self._tell(event)

    def _step(self) -> list[Event]:
        if not self._engine.busy:
            return []
        began = time.monotonic()
        events = self._engine.step()
        self._busy_s += time.monotonic() - began
        return events

    def _take_messages(self, wait_s: float) -> None:
        """Everything that has come; waits for the first message where there is nothing else to do."""
        try:
            message = self._inbox.get(timeout=wait_s) if wait_s else self._inbox.get_nowait()
            while True:
                self._take(message)
                message = self._inbox.get_nowait()
        except Empty:
            return

    def _take(self, message: ToDevice) -> None:
        match message:
            case Run(attempt, kind, params, images, state, priority):
                self._running.add(attempt)
                pipeline = pipelines.find(kind)
                wanted = pipeline.Params.model_validate(params)
                self._engine.add(attempt, pipeline, wanted, images, _continued(state), priority)
            case Abort(attempt):
                if self._engine.abort(attempt):
                    self._tell(Failed(attempt, "aborted", "the task was stopped before it was done"))
            case Park(attempt):
                if (parked := self._engine.park(attempt)) is not None:
                    self._running.discard(attempt)
                    self._outbox.put(messages.Parked(attempt, packed(parked)))

    def _tell(self, event: Event) -> None:
        match event:
            case Advanced(attempt, step, steps, preview):
                self._outbox.put(messages.Advanced(attempt, step, steps, preview))
            case Finished(attempt, made, load_s, run_s, parts):
                self._running.discard(attempt)
                self._outbox.put(messages.Finished(attempt, made, *_stages(load_s, run_s, parts)))
            case Failed(attempt, code, message, trace):
                self._running.discard(attempt)
                if code in TOLD:
                    with about(attempt=attempt):
                        log.error("attempt %s: %s\n%s", attempt, message, trace)
                self._outbox.put(messages.Failed(attempt, code, message))

    def _tell_vitals(self) -> None:
        vitals = DeviceStatus(
            device=_title(self._device),
            resident=tuple(self._registry.resident),
            capacity=max(len(self._running) + self._engine.room, AT_HAND),
            memory_bytes=self._registry.bytes,
        )
        if vitals != self._told or time.monotonic() - self._told_at > 5 * VITALS_S:
            self._told, self._told_at = vitals, time.monotonic()
            self._outbox.put(vitals)

    def _tell_tally(self) -> None:
        """Once a second, for nobody waits for it."""
        if time.monotonic() - self._tallied_at < VITALS_S:
            return
        self._tallied_at = time.monotonic()
        memory = {"models": self._registry.bytes, "used": _used(self._device), "total": _memory_of(self._device)}
        registry = self._registry
        self._outbox.put(
            DeviceStats(self._busy_s, dict(self._engine.steps), registry.loads, registry.evictions, memory)
        )

    def _read(self) -> None:
        try:
            while True:
                self._inbox.put(self._connection.recv())
        except (EOFError, OSError):
            os._exit(0)  # the parent is gone, and what the engine is at is nobody's any more

    def _write(self) -> None:
        try:
            while True:
                self._connection.send(self._outbox.get())
        except OSError:
            os._exit(0)


def _stages(load_s: float, run_s: float, parts: Mapping[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds by stage, of which the audit is one, and what those of `run` went into."""
    working = {part: seconds for part, seconds in parts.items() if part != "audit"}
    if "audit" not in parts:
        return {"load": load_s, "run": run_s}, working
    return {"load": load_s, "run": run_s - parts["audit"], "audit": parts["audit"]}, working


def _continued(state: bytes) -> Parked | None:
    """Where the task once stood; None, to begin anew, if that cannot be read."""
    try:
        return unpacked(state) if state else None
    except ParkedFormError as error:
        log.warning("a parked task begins anew: %s", error)
        return None


def _title(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


def chosen(name: str) -> torch.device:
    """The device of this name: auto, cpu or cuda:N."""
    if name == "auto":
        name = "cuda:0" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _memory_of(device: torch.device) -> int:
    """Bytes that the device has in all."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _free_for(registry: Registry, graphs: Graphs, device: torch.device) -> Callable[[], int] | None:
    """What steps may take beside models and graphs; None on a CPU, whose memory is not ours alone."""
    if device.type != "cuda":
        return None
    total = int(_memory_of(device) * STEPS_SHARE)
    return lambda: total - registry.bytes - graphs.bytes


def _used(device: torch.device) -> int:
    """Bytes of the device that are taken: on a GPU by whomever, elsewhere by this process."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return int(total - free)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _compilation(folder: Path | None) -> Compilation | None:
    """That of this folder, if there is to be one and it can be had."""
    try:
        return Compilation(folder) if folder else None
    except OSError as error:
        log.warning("HUA_COMPILE names a folder that is not there and cannot be made; nothing is compiled: %s", error)
        return None


def _warm_up(registry: Registry, name: str, judge: str, capacity: Capacity, memory: Memory, graphs: Graphs) -> None:
    with registry.acquire([name, judge] if judge else [name]) as hold:
        while not hold.wait(60):
            log.info("loading %s", name)
        warm_up(hold.get(ModelRef(CHECKPOINT, name)), capacity, memory=memory, graphs=graphs)


def main() -> None:
    # Ctrl-C reaches the whole process group; the parent decides when the device stops.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    connection = Connection(int(sys.argv[1]))
    settings = Settings.load()
    set_up_logs(settings)
    device = chosen(sys.argv[2])
    models = catalog.read(settings.models_path)
    budget = int(settings.device_memory or _memory_of(device) * MODELS_SHARE)
    registry = Registry(models, device, dtype_for(device), budget, int(settings.host_memory))
    capacity, graphs = Capacity(), Graphs(capture_on(device), compilation=_compilation(settings.compile))
    memory = Memory(_free_for(registry, graphs, device))
    if settings.warm_up:
        _warm_up(registry, models.default.name, settings.audit, capacity, memory, graphs)
    audit = Audit(settings.audit, settings.audit_all)
    DeviceLoop(connection, Engine(registry, capacity, memory, graphs, audit), registry, device).run()


if __name__ == "__main__":
    main()
