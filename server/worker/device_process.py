"""The parent's end of a device: starts the child process that owns it, talks to it, notices when it dies.

The parent never imports torch, so that a CUDA fault, an out-of-memory kill or a segmentation fault takes the child
alone, and neither the lease nor the task.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from queue import SimpleQueue

from server.settings import Settings
from server.worker.messages import (
    Abort,
    Advanced,
    DeviceStats,
    DeviceStatus,
    Failed,
    Finished,
    FromDevice,
    Park,
    Parked,
    Run,
    ToDevice,
)

STOP_S = 5.0
CHILD = "server.worker.device_main"


class DeviceDiedError(Exception):
    """The process that owns the device ended while it had work."""


class DeviceGoneError(Exception):
    """There is no living device to give work to; the task is as it was."""


class TaskFailedError(Exception):
    """The device lives, but this task came to nothing; `code` is `aborted`, `out_of_memory`, …"""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TaskParkedError(Exception):
    """This task was stopped to be continued elsewhere, from `state`."""

    def __init__(self, state: bytes) -> None:
        super().__init__("the task was stopped, to be continued elsewhere")
        self.state = state


class Device:
    """One child process. Not started again: a worker makes a new one.

    `child` is the module that it runs; it must speak `server/worker/messages.py`.
    """

    def __init__(
        self,
        settings: Settings,
        device: str,
        child: str = CHILD,
        on_tally: Callable[[DeviceStats], None] = lambda _: None,
    ) -> None:
        self.vitals: DeviceStatus | None = None
        self.heard_at = time.monotonic()
        self._on_tally = on_tally
        self._ready = asyncio.Event()
        self._died = asyncio.Event()
        self._waiting: dict[str, asyncio.Future[Finished]] = {}
        self._watching: dict[str, Callable[[Advanced], None]] = {}
        self._outbox: SimpleQueue[ToDevice | None] = SimpleQueue()
        self._loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", child, str(theirs.fileno()), device],
                pass_fds=[theirs.fileno()],
                env=torch_environment(settings),
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

    async def ready(self) -> DeviceStatus:
        """Waits for the first vital signs; raises DeviceDiedError if there will be none."""
        await self._ready.wait()
        if self.vitals is None:
            raise DeviceDiedError(f"the device process ended with {self._process.poll()} before it was ready")
        return self.vitals

    async def run(self, message: Run, on_progress: Callable[[Advanced], None]) -> Finished:
        """The images of a task; raises TaskFailedError, TaskParkedError, DeviceDiedError or, if it never
        started, DeviceGoneError."""
        if self._died.is_set():
            raise DeviceGoneError("the device process has ended")
        done: asyncio.Future[Finished] = self._loop.create_future()
        self._waiting[message.attempt] = done
        self._watching[message.attempt] = on_progress
        self._outbox.put(message)
        try:
            return await done
        finally:
            self._waiting.pop(message.attempt, None)
            self._watching.pop(message.attempt, None)

    def abort(self, attempt: str) -> None:
        """Stops a run at the next step boundary; its `run` raises TaskFailedError with code `aborted`."""
        if attempt in self._waiting:
            self._outbox.put(Abort(attempt))

    def park(self, attempt: str) -> None:
        """Stops a run at the next step boundary; its `run` raises TaskParkedError."""
        if attempt in self._waiting:
            self._outbox.put(Park(attempt))

    async def death(self) -> int | None:
        """Waits until the process has ended; answers its exit code, negative for a signal."""
        await self._died.wait()
        return await asyncio.to_thread(self._process.wait)

    async def stop(self) -> None:
        """Ends the process; work that is under way there is lost."""
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
                self._call(self._take, self._connection.recv())
        self._call(self._end)

    def _send(self) -> None:
        with contextlib.suppress(OSError):
            while (message := self._outbox.get()) is not None:
                self._connection.send(message)
            # The child leaves when its line is closed; the shutdown wakes our own receiving thread as well.
            with socket.socket(fileno=os.dup(self._connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)

    def _call(self, function: Callable[..., None], *args: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to tell
            self._loop.call_soon_threadsafe(function, *args)

    def _take(self, message: FromDevice) -> None:
        self.heard_at = time.monotonic()
        match message:
            case DeviceStats():
                self._on_tally(message)
            case DeviceStatus():
                self.vitals = message
                self._ready.set()
            case Advanced(attempt):
                if watch := self._watching.get(attempt):
                    watch(message)
            case Finished(attempt):
                if (done := self._waiting.get(attempt)) and not done.done():
                    done.set_result(message)
            case Parked(attempt, state):
                if (done := self._waiting.get(attempt)) and not done.done():
                    done.set_exception(TaskParkedError(state))
            case Failed(attempt, code, reason):
                if (done := self._waiting.get(attempt)) and not done.done():
                    done.set_exception(TaskFailedError(code, reason))

    def _end(self) -> None:
        self._died.set()
        self._ready.set()
        for done in self._waiting.values():
            if not done.done():
                done.set_exception(DeviceDiedError("the device process ended while it worked on this task"))


def torch_environment(settings: Settings) -> dict[str, str]:
    """What a child that runs torch must know, also where our settings did not come from the environment."""
    return {
        # Threads that spin while they wait slow a busy or limited machine down several times over.
        "OMP_WAIT_POLICY": "PASSIVE",
        **os.environ,
        "HUA_DATA_DIR": str(settings.data_dir),
        "HUA_MODELS_DIR": str(settings.models_path),
        "HUA_HOST_MEMORY": str(int(settings.host_memory)),
        "HUA_LOG_FORMAT": settings.log_format,
        "HUA_WARM_UP": str(settings.warm_up).lower(),
        "HUA_COMPILE": str(settings.compile or ""),
        "HUA_AUDIT": settings.audit,
        "HUA_AUDIT_ALL": str(settings.audit_all).lower(),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
