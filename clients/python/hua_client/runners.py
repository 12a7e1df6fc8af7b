"""Carries out flows: `Runner` with blocking calls, `AsyncRunner` with asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import httpx

from hua_client.flow import LOST, Effect, Emit, Flow, Open, Pause, Read, Reply, Request, Send, Steps, Work

T = TypeVar("T")
CONNECT_S = 10.0
WRITE_S = 60.0
LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20)
"""Each task that is waited for has a connection of its own."""
POOL_S = 600.0
"""For clients that limit their connections."""


def _request(http: httpx.Client | httpx.AsyncClient, request: Request) -> httpx.Request:
    return http.build_request(
        request.method,
        request.url,
        headers=dict(request.headers),
        params=dict(request.query) or None,
        json=request.json,
        content=request.content,
        timeout=httpx.Timeout(connect=CONNECT_S, read=request.read_timeout_s, write=WRITE_S, pool=POOL_S),
    )


def _reply(response: httpx.Response, body: bytes) -> Reply:
    return Reply(response.status_code, response.headers, body)


class _Exchange:
    """What one flow has open."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http
        self._stream: httpx.Response | None = None
        self._chunks: Iterator[bytes] = iter(())

    def perform(self, effect: Effect) -> Any:
        """Raises httpx.TransportError."""
        match effect:
            case Send(request):
                response = self._http.send(_request(self._http, request), follow_redirects=True)
                return _reply(response, response.content)
            case Open(request):
                return self._open(request)
            case Read():
                return next(self._chunks, None)
            case Pause(seconds):
                time.sleep(seconds)
            case Work(function):
                return function()
        return None

    def _open(self, request: Request) -> Reply:
        self.close()
        response = self._stream = self._http.send(_request(self._http, request), stream=True)
        self._chunks = response.iter_bytes()
        return _reply(response, b"" if response.is_success else response.read())

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()


class Runner:
    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def run(self, flow: Flow[T]) -> T:
        """What the flow returns."""
        steps = Steps(flow)
        for _ in self._drive(steps):
            pass
        return steps.result

    def stream(self, flow: Flow[None]) -> Iterator[Any]:
        """What the flow emits."""
        return self._drive(Steps(flow))

    def _drive(self, steps: Steps[Any]) -> Iterator[Any]:
        exchange = _Exchange(self._http)
        try:
            while (effect := steps.effect) is not None:
                if isinstance(effect, Emit):
                    yield effect.value
                    steps.answer(None)
                    continue
                try:
                    answer = exchange.perform(effect)
                except LOST as error:
                    steps.fail(error)
                else:
                    steps.answer(answer)
        finally:
            exchange.close()


class _AsyncExchange:
    """As _Exchange."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._stream: httpx.Response | None = None
        self._chunks: AsyncIterator[bytes] | None = None

    async def perform(self, effect: Effect) -> Any:
        """Raises httpx.TransportError."""
        match effect:
            case Send(request):
                response = await self._http.send(_request(self._http, request), follow_redirects=True)
                return _reply(response, response.content)
            case Open(request):
                return await self._open(request)
            case Read():
                return await anext(self._chunks, None) if self._chunks else None
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Work(function):
                return await asyncio.to_thread(function)
        return None

    async def _open(self, request: Request) -> Reply:
        await self.close()
        response = self._stream = await self._http.send(_request(self._http, request), stream=True)
        self._chunks = response.aiter_bytes()
        return _reply(response, b"" if response.is_success else await response.aread())

    async def close(self) -> None:
        if self._stream is not None:
            await self._stream.aclose()


class AsyncRunner:
    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def run(self, flow: Flow[T]) -> T:
        """What the flow returns."""
        steps = Steps(flow)
        async for _ in self._drive(steps):
            pass
        return steps.result

    def stream(self, flow: Flow[None]) -> AsyncIterator[Any]:
        """What the flow emits."""
        return self._drive(Steps(flow))

    async def _drive(self, steps: Steps[Any]) -> AsyncIterator[Any]:
        exchange = _AsyncExchange(self._http)
        try:
            while (effect := steps.effect) is not None:
                if isinstance(effect, Emit):
                    yield effect.value
                    steps.answer(None)
                    continue
                try:
                    answer = await exchange.perform(effect)
                except LOST as error:
                    steps.fail(error)
                else:
                    steps.answer(answer)
        finally:
            await exchange.close()
