"""A whole server in one process with real log, queue, bucket and controller. The test itself acts as the worker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
import uvicorn

from server.api.app import create_app
from server.roles import make_controller
from server.services import Services
from server.settings import Settings
from tests.support.clock import Clock
from tests.support.painter import Painter, png_file

MODELS = """
models:
  - {name: toy, path: toy.safetensors, family: sd1, title: A toy, default: true, aliases: [v1.5, general, art]}
  - {name: anime-toy, path: toy.safetensors, family: sd1, aliases: [anime], inpainting: toy}
  - {name: ink, path: toy.safetensors, family: lora, for: sd1, title: Ink drawings}
  - {name: bad-hands, path: toy.safetensors, family: embedding, for: sd1, aliases: [easynegative]}
  - {name: style, path: toy.safetensors, family: embedding}
  - {name: oil, path: toy.safetensors, family: lora, for: sdxl}
  - {name: canvas, path: toy.safetensors, family: sdxl, side: 1024}
"""


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def png() -> bytes:
    """A PNG of 16×16."""
    return png_file()


@pytest.fixture
def overrides() -> dict[str, object]:
    """Settings of the server; a test may parametrize them."""
    return {}


@pytest.fixture
def more_models() -> str:
    """Further lines of models.yaml; a test may parametrize them."""
    return ""


@pytest.fixture
def settings(tmp_path, overrides, more_models) -> Settings:
    models = tmp_path / "models"
    models.mkdir()
    (models / "models.yaml").write_text(MODELS + more_models)
    (models / "toy.safetensors").write_bytes(b"weights")
    return Settings(data_dir=tmp_path / "data", models_dir=models, public_url="http://hua", **overrides)


@pytest.fixture
async def services(settings, monkeypatch) -> AsyncIterator[Services]:
    """The services of a server with a running controller, after the log replay."""
    # Else each controller lists 700 folders that a new bucket does not have.
    monkeypatch.setattr("server.controller.orphan_sweep.LOOK_BACK_S", 0.0)
    services = Services.from_settings(settings)
    await services.clock.ask()
    controller = asyncio.create_task(make_controller(services).run())
    while not await services.queue.complete():
        await asyncio.sleep(0.005)
    try:
        yield services
    finally:
        controller.cancel()
        with suppress(asyncio.CancelledError):
            await controller
        await services.close()


@pytest.fixture
async def address(services) -> AsyncIterator[str]:
    """The address of a real HTTP server, for clients other than httpx and answers that come in parts."""
    server = uvicorn.Server(uvicorn.Config(create_app(services), port=0, log_config=None, timeout_graceful_shutdown=1))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


@pytest.fixture
async def client(services) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(create_app(services), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://hua") as client:
        yield client


@pytest.fixture
def painter(services) -> Painter:
    return Painter(services)


@pytest.fixture
async def painting(painter) -> AsyncIterator[Painter]:
    """A painter that finishes every task."""
    task = asyncio.create_task(painter.paint_always())
    yield painter
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
