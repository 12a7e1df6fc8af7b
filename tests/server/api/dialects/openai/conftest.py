"""The real client library of OpenAI, unmodified, against a real server."""

from collections.abc import AsyncIterator

import pytest
from openai import AsyncOpenAI


@pytest.fixture
def key() -> str:
    """The API key of the client; the server needs none unless a test sets `api_keys`."""
    return "sk-anything"


@pytest.fixture
async def openai(address, key) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0) as client:
        yield client
