"""A server without a device, and both clients of it. The test itself acts as the worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from hua_client import AsyncHua, Hua

from server.settings import Settings
from tests.support.restartable_server import RestartableServer

MODELS = """
models:
  - {name: toy, path: toy.safetensors, family: sd1, title: A toy, default: true, aliases: [v1.5]}
  - {name: ink, path: toy.safetensors, family: lora, for: sd1, title: Ink drawings}
"""


@pytest.fixture
def overrides() -> dict[str, object]:
    """Settings of the server; a test may parametrize them."""
    return {}


@pytest.fixture
async def server(tmp_path: Path, overrides: dict[str, object]) -> AsyncIterator[RestartableServer]:
    """Its public address is one that nobody reaches."""
    models = tmp_path / "models"
    models.mkdir()
    (models / "models.yaml").write_text(MODELS)
    (models / "toy.safetensors").write_bytes(b"weights")
    settings = Settings(data_dir=tmp_path / "data", models_dir=models, public_url="http://hua.invalid", **overrides)
    server = RestartableServer(settings)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def painting(server: RestartableServer) -> AsyncIterator[None]:
    """Every task is finished."""
    task = asyncio.create_task(server.painter.paint_always())
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture
async def hua(server: RestartableServer) -> AsyncIterator[AsyncHua]:
    async with AsyncHua(server.url, http=httpx.AsyncClient(trust_env=False)) as hua:
        yield hua


@pytest.fixture
async def impatient(server: RestartableServer) -> AsyncIterator[AsyncHua]:
    """Repeats nothing."""
    async with AsyncHua(server.url, retry_s=0, http=httpx.AsyncClient(trust_env=False)) as hua:
        yield hua


@pytest.fixture
async def blocking(server: RestartableServer) -> AsyncIterator[Hua]:
    """The client with blocking calls, for use in another thread than the server's."""
    with Hua(server.url, http=httpx.Client(trust_env=False)) as hua:
        yield hua
