"""What the tests of this dialect share: two callers with keys, and a request that is waiting."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import pytest

from server.tenancy.auth import new_key

KEYS = {tenant: new_key(tenant) for tenant in ("red", "blue")}


@pytest.fixture
def overrides() -> dict[str, object]:
    return {"api_keys": tuple(setting for _, setting in KEYS.values())}


@pytest.fixture
def red() -> httpx.BasicAuth:
    """As `--api-auth` clients send a key: as the password."""
    return httpx.BasicAuth("red", KEYS["red"][0])


@pytest.fixture
def blue() -> httpx.BasicAuth:
    return httpx.BasicAuth("anyone", KEYS["blue"][0])


@pytest.fixture
def picture(png: bytes) -> str:
    return base64.b64encode(png).decode()


class Waiting:
    """A POST that runs until its tasks end."""

    def __init__(self, client: httpx.AsyncClient, path: str, body: dict[str, Any], auth: httpx.Auth) -> None:
        self._request = asyncio.create_task(client.post(f"/sdapi/v1/{path}", json=body, auth=auth))

    async def answer(self) -> httpx.Response:
        return await self._request
