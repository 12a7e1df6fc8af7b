"""The roles of a deployment, each from start to drained end. `serve` runs all of them in one process group."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from server.observability.tracing import set_up_traces
from server.process.data_folder import check_data_folder, lock_data_folder
from server.process.event_loop import freeze_startup_objects
from server.process.health_server import create_health_app, listen_nearby
from server.process.http_listener import connections_within_file_limit, listen, serve_app
from server.process.models_refresh import keep_models_current
from server.prompts.engines.choice import check_translator
from server.services import Services
from server.settings import Settings, SettingsError
from server.start.toy_models import ensure_models
from server.tenancy.tenants import Tenants
from server.worker.cuda_devices import cuda_device_count
from server.worker.device_process import CHILD

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from server.controller import Controller
    from server.worker.worker import Worker

log = logging.getLogger(__name__)
PROBE_CONNECTIONS = 64
Work = Coroutine[Any, Any, None]


async def serve(settings: Settings) -> None:
    """Runs api, controller and a worker for each device: SQLite logs, the queue in memory, a folder for images."""
    Tenants(settings).check()  # fail before the slow build of toy models
    with _listen(settings) as listener, lock_data_folder(settings):
        check_data_folder(settings)
        await ensure_models(settings)
        async with _services(settings, "serve") as services:
            from server.start.welcome import welcome
            from server.worker.worker import Worker

            workers = [Worker(services, device) for device in await asyncio.to_thread(_devices, settings)]
            works = (
                *_api_works(services, listener),
                make_controller(services).run(),
                *(each.run() for each in workers),
                welcome(services),
            )
            await _run_until_signal(*works, drain=lambda: _drain_all(workers))


async def api(settings: Settings) -> None:
    """Runs the api alone."""
    _need_shared_queue(settings, "api")
    from server.start.welcome import log_when_ready

    with _listen(settings) as listener:
        async with _services(settings, "api") as services:
            await _run_until_signal(*_api_works(services, listener), log_when_ready(services))


async def controller(settings: Settings) -> None:
    """Runs the controller alone: intake, settling, callbacks, sweeping."""
    _need_shared_queue(settings, "controller")
    logs_in_folder = settings.broker == "sqlite://"
    with lock_data_folder(settings) if logs_in_folder else contextlib.nullcontext():
        async with _services(settings, "controller") as services:
            role = make_controller(services)
            await _run_until_signal(role.run(), _serve_probes(settings, create_health_app(role.health)))


async def worker(settings: Settings, device: str, child: str = CHILD) -> None:
    """Runs a worker alone. `child` is the module that owns the device."""
    _need_shared_queue(settings, "worker")
    async with _services(settings, "worker") as services:
        from server.worker.worker import Worker

        role = Worker(services, device, child)
        await _run_until_signal(role.run(), _serve_probes(settings, create_health_app(role.health)), drain=role.drain)


def _devices(settings: Settings) -> Sequence[str]:
    """The devices of `hua serve`."""
    if settings.devices != "all":
        return settings.devices.split(",")
    if settings.device != "auto":
        return [settings.device]
    try:
        return [f"cuda:{index}" for index in range(cuda_device_count())] or [settings.device]
    except TimeoutError as error:
        raise SettingsError(f"{error}; see whether `nvidia-smi` answers, or set HUA_DEVICES") from error


async def _drain_all(workers: Sequence[Worker]) -> None:
    await asyncio.gather(*(worker.drain() for worker in workers))


def _need_shared_queue(settings: Settings, role: str) -> None:
    if settings.queue == "memory://":
        raise SettingsError(
            f"HUA_QUEUE=memory:// is inside one process, so `hua {role}` cannot share it with other roles; "
            "run `hua serve`, or give all roles the same HUA_QUEUE=redis://HOST:PORT/DB"
        )


def _listen(settings: Settings) -> socket.socket:
    """Called first, so that a port in use is reported before anything slow starts."""
    try:
        return listen(settings.host, settings.port)
    except OSError as error:
        raise SettingsError(
            f"cannot listen on {settings.host} port {settings.port} ({error.strerror}); "
            "stop what listens there, or set HUA_HOST or HUA_PORT"
        ) from error


@contextlib.asynccontextmanager
async def _services(settings: Settings, role: str) -> AsyncIterator[Services]:
    check_data_folder(settings)
    if settings.broker != "sqlite://" and settings.bucket != "file://" and not settings.secret:
        log.warning(
            "HUA_SECRET is not set, so this role signs with the secret in %s; set it, the same for all roles, "
            "or roles on other machines refuse its links",
            settings.data_dir,
        )
    end_traces = set_up_traces(settings, role)
    services = Services.from_settings(settings, with_models=role != "controller")
    await services.clock.ask()
    models_refresh = keep_models_current(services.live_catalog, settings.models_refresh)
    background = [asyncio.create_task(work) for work in (services.clock.keep(), models_refresh)]
    try:
        yield services
    finally:
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        await services.close()
        await asyncio.to_thread(end_traces)


def make_controller(services: Services) -> Controller:
    """Stands here because callbacks have the shape of a dialect, and the controller must not import the api."""
    from server.api.dialects import callback_bytes, callback_pauses_s
    from server.controller import Controller
    from server.controller.callbacks import Callbacks

    body_of = partial(callback_bytes, links=services.links)
    secret, clock = services.settings.secret_bytes, services.clock
    callbacks = Callbacks(
        services.queue, services.bucket, services.egress, body_of, secret, clock, first_pauses_s=callback_pauses_s
    )
    return Controller(services.broker, services.queue, services.bucket, callbacks, clock.sure)


def _api_works(services: Services, listener: socket.socket) -> tuple[Work, ...]:
    """The api for clients, and its metrics and probes on a port of their own. Raises SettingsError."""
    from server.api.app import create_app, create_probes_app
    from server.api.models.hashing import keep_hashes

    settings = services.settings
    check_translator(settings, services.catalog)
    app, probes = create_app(services), create_probes_app(services)
    freeze_startup_objects()
    connections = connections_within_file_limit(settings.connections)
    return serve_app(app, listener, connections), _serve_probes(settings, probes), keep_hashes(services)


async def _serve_probes(settings: Settings, app: ASGIApp) -> None:
    """Serves metrics and probes on a port of their own, so that they are answered whatever clients do."""
    listener = listen_nearby(settings)
    if listener is None:
        await asyncio.Event().wait()
        return
    with listener:
        await serve_app(app, listener, PROBE_CONNECTIONS)


async def _run_until_signal(*works: Work, drain: Callable[[], Awaitable[None]] | None = None) -> None:
    """Runs a role until Ctrl-C or SIGTERM, then drains it and ends it. A second signal ends the draining.

    If one of `works` ends by itself, that is a fault: it ends the role with its error.
    """
    signals = asyncio.Queue[signal.Signals]()
    loop = asyncio.get_running_loop()
    freeze_startup_objects()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, signals.put_nowait, number)
    running = [asyncio.create_task(work) for work in works]
    try:
        await _first(asyncio.create_task(signals.get()), *running)
        if drain is not None:
            log.info("draining: running tasks may finish; send the signal again to stop at once")
            await _first(asyncio.create_task(signals.get()), asyncio.ensure_future(drain()))
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _first(*tasks: asyncio.Future[Any]) -> None:
    """Waits until one task has ended, and raises its exception."""
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
