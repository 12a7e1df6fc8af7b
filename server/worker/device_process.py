"""The parent's side of a device: starts the child process that owns it, exchanges messages, notices its death.

The parent never imports torch, so a CUDA error, an out-of-memory kill or a segmentation fault ends only the child:
the lease and the task survive.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue

from models.catalog.catalog import Catalog
from pipelines.engine.events import Advanced, Failed, Finished, Parked
from server.settings import Settings
from server.worker.cuda_devices import only_device
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

STOP_S = 5.0
CHILD = "server.worker.device_main"


class DeviceDiedError(Exception):
    """The process that owns the device ended while it ran this task."""


class DeviceGoneError(Exception):
    """There is no living device process; the task has not started."""


class TaskFailedError(Exception):
    """The task failed on a device that is well; `code` is `aborted`, `out_of_memory`, …"""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TaskParkedError(Exception):
    """The task was stopped; another attempt can continue it from `state`."""

    def __init__(self, state: bytes) -> None:
        super().__init__("the task was parked")
        self.state = state


class Device:
    """One child process. It is never restarted: the worker creates a new Device.

    settings: passed to the child in its environment.
    device: cpu, cuda:N or auto.
    child: the module that the child runs; it must speak `server/worker/messages.py`.
    on_stats: called with each DeviceStats, in the event loop.
    steps: the folder where the child marks its steps, and finds those that it must avoid; None: it does neither.
    """

    def __init__(
        self,
        settings: Settings,
        device: str,
        child: str = CHILD,
        on_stats: Callable[[DeviceStats], None] = lambda _: None,
        steps: Path | None = None,
    ) -> None:
        self.status: DeviceStatus | None = None
        self.activity = ""
        """What a device that is not ready yet does; empty before its first message."""
        self.messages = 0
        """How many messages it has sent."""
        self._on_stats = on_stats
        self._ready = asyncio.Event()
        self._died = asyncio.Event()
        self._results: dict[str, asyncio.Future[Finished]] = {}
        self._listeners: dict[str, Callable[[Advanced], None]] = {}
        self._outbox: SimpleQueue[ToDevice | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        own_name, visible = only_device(device, os.environ)
        folder = [] if steps is None else [str(steps)]
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", child, str(theirs.fileno()), own_name, *folder],
                pass_fds=[theirs.fileno()],
                env=torch_environment(settings) | visible,
            )
        self._connection = Connection(ours.detach())
        for work in (self._receive, self._send):
            threading.Thread(target=work, name=f"device-{work.__name__}", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return not self._died.is_set()

    @property
    def busy(self) -> bool:
        """Whether it runs a task."""
        return bool(self._results)

    async def ready(self) -> DeviceStatus:
        """Waits for the first status; raises DeviceDiedError if the process ends before."""
        await self._ready.wait()
        if self.status is None:
            raise DeviceDiedError(f"the device process ended with {self._process.poll()} before it was ready")
        return self.status

    async def run(self, message: Run, on_progress: Callable[[Advanced], None]) -> Finished:
        """Runs a task to its end.

        Raises TaskFailedError, TaskParkedError, DeviceDiedError, or DeviceGoneError if it never started.
        """
        if self._died.is_set():
            raise DeviceGoneError("the device process has ended")
        result: asyncio.Future[Finished] = self._loop.create_future()
        attempt_id = message.attempt_id
        self._results[attempt_id] = result
        self._listeners[attempt_id] = on_progress
        self._outbox.put(message)
        del message  # its images may take 400 MB, which are not needed once they are sent
        try:
            return await result
        finally:
            self._results.pop(attempt_id, None)
            self._listeners.pop(attempt_id, None)

    def abort(self, attempt_id: str) -> None:
        """Stops a run at the next step boundary; its `run` raises TaskFailedError with code `aborted`."""
        if attempt_id in self._results:
            self._outbox.put(Abort(attempt_id))

    def park(self, attempt_id: str) -> None:
        """Stops a run at the next step boundary; its `run` raises TaskParkedError."""
        if attempt_id in self._results:
            self._outbox.put(Park(attempt_id))

    def use_catalog(self, catalog: Catalog) -> None:
        """Tasks that are run from now on use these models."""
        self._outbox.put(UseCatalog(catalog.entries, catalog.problems))

    async def death(self) -> int | None:
        """Waits until the process has ended; returns its exit code, negative for a signal."""
        await self._died.wait()
        return await asyncio.to_thread(self._process.wait)

    def kill(self) -> None:
        """Ends a process that hangs. Its tasks end now with DeviceDiedError, even if the process does not."""
        self._process.kill()
        self._end()

    async def stop(self) -> None:
        """Ends the process; tasks that it still runs are lost."""
        self._outbox.put(None)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await self._died.wait()
        if self._process.poll() is None:
            self._process.kill()
        await asyncio.to_thread(self._process.wait)

    def _receive(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._call(self._handle, self._connection.recv())
        self._call(self._end)

    def _send(self) -> None:
        with contextlib.suppress(OSError):
            while (message := self._outbox.get()) is not None:
                self._connection.send(message)
                del message
            # The child ends when its connection is closed. The shutdown also wakes our own receiving thread.
            with socket.socket(fileno=os.dup(self._connection.fileno())) as connection:
                connection.shutdown(socket.SHUT_RDWR)

    def _call(self, function: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(function, *args)

    def _handle(self, message: FromDevice) -> None:
        self.messages += 1
        match message:
            case Starting():
                self.activity = message.activity
            case DeviceStats():
                self._on_stats(message)
            case DeviceStatus():
                self.status = message
                self._ready.set()
            case Advanced():
                if listener := self._listeners.get(message.attempt_id):
                    listener(message)
            case _:
                if (result := self._results.get(message.attempt_id)) and not result.done():
                    _settle(result, message)

    def _end(self) -> None:
        self._died.set()
        self._ready.set()
        for result in self._results.values():
            if not result.done():
                result.set_exception(DeviceDiedError("the device process ended while it ran this task"))


def _settle(result: asyncio.Future[Finished], event: Finished | Parked | Failed) -> None:
    match event:
        case Finished():
            result.set_result(event)
        case Parked(_, state):
            result.set_exception(TaskParkedError(state))
        case Failed(_, code, message):
            result.set_exception(TaskFailedError(code, message))


def torch_environment(settings: Settings) -> dict[str, str]:
    """Environment of a child that runs torch: all settings that it needs, wherever ours came from."""
    return {
        # Waiting threads that spin make a busy or limited machine several times slower.
        "OMP_WAIT_POLICY": "PASSIVE",
        **os.environ,
        "HUA_DATA_DIR": str(settings.data_dir),
        "HUA_MODELS_DIR": os.pathsep.join(map(str, settings.models_paths)),
        "HUA_HOST_MEMORY": str(int(settings.host_memory)),
        "HUA_LOG_FORMAT": settings.log_format,
        "HUA_LOAD_TIMEOUT": str(settings.load_timeout),
        "HUA_WARM_UP": str(settings.warm_up).lower(),
        "HUA_COMPILE": str(settings.compile or ""),
        "HUA_AUDIT": ",".join(settings.audit),
        "HUA_AUDIT_ALL": str(settings.audit_all).lower(),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
