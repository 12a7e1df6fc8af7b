"""A whole server in one process with real log, queue, bucket and controller. The test itself acts as the worker."""

import asyncio
import hashlib
import io
import time
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
from PIL import Image as Picture

from server.api.app import create_app
from server.queue import Lease, Progress, WorkerView
from server.roles import make_controller
from server.services import Services
from server.settings import Settings
from server.storage.bucket_keys import image_key
from server.task import RETENTION_S, Failure, Image, Outcome, Status
from tests.support.clock import Clock

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


def _png() -> bytes:
    file = io.BytesIO()
    Picture.new("RGB", (16, 16), (180, 50, 30)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def png() -> bytes:
    """A PNG of 16×16."""
    return _png()


class Painter:
    """A worker without a device: each method is one step of a task, which the test calls."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def take(self) -> Lease:
        await self._services.queue.announce(WorkerView(name="w1", device="cpu", resident=("toy",), running=1))
        lease = await self._services.queue.lease("w1", ("toy",), 120.0)
        assert lease is not None
        return lease

    async def advance(self, lease: Lease, step: int, steps: int, preview: bytes = b"") -> None:
        await self._services.queue.heartbeat(lease, Progress(step, steps, preview))

    async def finish(self, lease: Lease) -> None:
        task, data = lease.task, _png()
        expires_at = time.time() + RETENTION_S[task.retention]
        key = image_key(task.retention, expires_at, task.id, lease.token, f"0.{task.output.format}")
        await self._services.bucket.put(key, data)
        image = Image(
            key=key,
            width=16,
            height=16,
            bytes=len(data),
            sha256=hashlib.sha256(data).hexdigest(),
            format=task.output.format,
            seed=task.params["seed"],
        )
        await self._publish(lease, Status.SUCCEEDED, images=(image,))

    async def withhold(self, lease: Lease) -> None:
        image = Image(key="", width=16, height=16, bytes=0, sha256="", seed=1, reason="unsafe/concept 9")
        await self._publish(lease, Status.SUCCEEDED, images=(image,))

    async def fail(self, lease: Lease) -> None:
        failure = Failure(code="out_of_memory", message="too large for this device; ask for a smaller size")
        await self._publish(lease, Status.FAILED, failure=failure)

    async def _publish(self, lease: Lease, status: Status, **fields: object) -> None:
        now = time.time()
        timings = {"fetch": 0.1, "load": 0.2, "run": 0.4, "encode": 0.1, "upload": 0.05}
        outcome = Outcome(
            task=lease.task,
            attempt=lease.token,
            status=status,
            worker="w1",
            started_at=now - 1,
            finished_at=now,
            timings=timings,
            **fields,
        )
        await self._services.broker.publish_outcome(outcome)

    async def paint_always(self) -> None:
        while True:
            lease = await self.take()
            await self.advance(lease, 1, 2)
            await self.finish(lease)


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
async def services(settings) -> AsyncIterator[Services]:
    """The services of a server with a running controller, after the log replay."""
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
