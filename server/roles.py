"""The roles of a deployment, each from start to drained end; `serve` is all of them in one process group."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from server.observability.tracing import set_up_traces
from server.process.event_loop import spare_what_is_built
from server.process.health_server import Health, create_monitor, listen_nearby
from server.process.http_listener import answer, listen
from server.services import Services, public_url
from server.settings import Settings, SettingsError
from server.tenancy.tenants import Tenants
from server.worker.device_process import CHILD, torch_environment

if TYPE_CHECKING:
    from server.controller import Controller

log = logging.getLogger(__name__)
Work = Coroutine[Any, Any, None]


async def serve(settings: Settings) -> None:
    """Everything on one machine: SQLite logs, the queue in memory, a folder for images."""
    Tenants(settings).check()  # before models are built, which takes its time
    with _listening(settings) as listener, _alone(settings):
        ensure_models(settings)
        async with _services(settings, "serve") as services:
            from server.worker.worker import Worker

            worker, controller = Worker(services, settings.device), make_controller(services)
            await _until_told(controller.run(), worker.run(), _answering(services, listener), drain=worker.drain)


async def api(settings: Settings) -> None:
    """HTTP alone."""
    _need_shared_queue(settings, "api")
    with _listening(settings) as listener:
        async with _services(settings, "api") as services:
            await _until_told(_answering(services, listener))


async def controller(settings: Settings) -> None:
    """Intake, settling, callbacks and sweeping alone."""
    _need_shared_queue(settings, "controller")
    in_a_folder = settings.broker == "sqlite://"
    with _alone(settings) if in_a_folder else contextlib.nullcontext():
        async with _services(settings, "controller") as services:
            one = make_controller(services)
            await _until_told(one.run(), _watched(settings, one.health))


async def worker(settings: Settings, device: str, child: str = CHILD) -> None:
    """One device alone, owned by the module `child`."""
    _need_shared_queue(settings, "worker")
    async with _services(settings, "worker") as services:
        from server.worker.worker import Worker

        one = Worker(services, device, child)
        await _until_told(one.run(), _watched(settings, one.health), drain=one.drain)


def ensure_models(settings: Settings) -> None:
    """Builds the toy models where the operator has put none, in a process of its own: it needs torch, we do not."""
    if (settings.models_path / "models.yaml").exists():
        return
    if settings.models_dir is not None:
        raise SettingsError(
            f"HUA_MODELS_DIR={settings.models_dir} has no models.yaml; write one, or unset it for toy models"
        )
    log.info("no models yet: building small toy models in %s", settings.models_path)
    command = [sys.executable, "-m", "models.toy", str(settings.models_path)]
    subprocess.run(command, env=torch_environment(settings), check=True)


def _need_shared_queue(settings: Settings, role: str) -> None:
    if settings.queue == "memory://":
        raise SettingsError(
            f"HUA_QUEUE=memory:// lives inside one process, so `hua {role}` would share it with nobody; "
            "run `hua serve`, or give all roles the same HUA_QUEUE=redis://HOST:PORT/DB"
        )


def _listening(settings: Settings) -> socket.socket:
    """Taken before anything else is done, so that a port in use costs nothing but one line."""
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.host} port {settings.port} ({error.strerror}); "
            "stop what listens there, or set HUA_HOST or HUA_PORT"
        ) from error


@contextlib.contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Holds the data folder: two controllers would each feed every task of its logs to their queues."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(
                f"another `hua serve` or `hua controller` uses HUA_DATA_DIR={settings.data_dir}; "
                "stop it, or set another folder"
            ) from error
        yield


@contextlib.asynccontextmanager
async def _services(settings: Settings, role: str) -> AsyncIterator[Services]:
    end_traces = set_up_traces(settings, role)
    services = Services.from_settings(settings)
    await services.clock.ask()
    telling = asyncio.create_task(services.clock.keep())
    try:
        yield services
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)
        await services.close()
        await asyncio.to_thread(end_traces)


def make_controller(services: Services) -> Controller:
    """Here, not in the controller's room: a callback's body has the shape of the dialect that its task came in."""
    from server.api.dialects import callback_bytes
    from server.controller import Controller
    from server.controller.callbacks import Callbacks

    body_of = partial(callback_bytes, links=services.links)
    secret, clock = services.settings.secret_bytes, services.clock
    callbacks = Callbacks(services.queue, services.bucket, services.egress, body_of, secret, clock)
    return Controller(services.broker, services.queue, services.bucket, callbacks, clock.sure)


async def _answering(services: Services, listener: socket.socket) -> None:
    from server.api.app import create_app

    app = create_app(services)
    spare_what_is_built()
    log.info("listening on %s", public_url(services.settings))
    await answer(app, listener)


async def _watched(settings: Settings, health: Callable[[], Health]) -> None:
    """Tells how a role without an API is."""
    listener = listen_nearby(settings)
    if listener is None:
        await asyncio.Event().wait()
        return
    with listener:
        await answer(create_monitor(health), listener)


async def _until_told(*works: Work, drain: Callable[[], Awaitable[None]] | None = None) -> None:
    """Runs a role until Ctrl-C or SIGTERM, drains it, ends it; a second signal cuts the draining short.

    A work that ends by itself is a fault: it ends the role with its error.
    """
    told = asyncio.Queue[signal.Signals]()
    loop = asyncio.get_running_loop()
    spare_what_is_built()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.put_nowait, number)
    running = [asyncio.create_task(work) for work in works]
    try:
        await _first(asyncio.create_task(told.get()), *running)
        if drain is not None:
            log.info("draining: what runs may end; the same signal again leaves at once")
            await _first(asyncio.create_task(told.get()), asyncio.ensure_future(drain()))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _first(*tasks: asyncio.Future[Any]) -> None:
    """Waits until one has ended, and raises what it raised."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
