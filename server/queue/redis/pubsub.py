"""Tells watchers that a task has changed. One connection to Redis serves all watchers of a process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from redis.asyncio import Redis
from redis.exceptions import RedisError

from server.queue.redis.cancellation import raising_lost_cancel
from server.queue.redis.connection import in_time

PAUSE_S = 1.0


class TaskChangeFeed:
    """A message may be lost with the connection, so a watcher also reads the task now and then."""

    def __init__(self, client: Redis, prefix: str) -> None:
        self._pubsub = client.pubsub(ignore_subscribe_messages=True)
        self._prefix = prefix
        self._watchers: dict[str, set[asyncio.Event]] = {}
        self._listening: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def of(self, task_id: str) -> AsyncIterator[asyncio.Event]:
        """An event that is set when the task has changed."""
        channel, event = f"{self._prefix}:{task_id}", asyncio.Event()
        self._watchers.setdefault(channel, set()).add(event)
        try:
            async with in_time():
                await self._pubsub.subscribe(channel)
            if self._listening is None:
                self._listening = asyncio.create_task(self._listen())
            yield event
        finally:
            self._watchers[channel].discard(event)
            if not self._watchers[channel]:
                del self._watchers[channel]
                with contextlib.suppress(RedisError, OSError):
                    async with in_time():
                        await self._pubsub.unsubscribe(channel)

    async def _listen(self) -> None:
        while True:
            try:
                with raising_lost_cancel():
                    async with in_time():
                        message = await self._pubsub.get_message(timeout=PAUSE_S)
            except (RedisError, OSError):
                await asyncio.sleep(PAUSE_S)
                continue
            for event in self._watchers.get(message["channel"].decode(), ()) if message else ():
                event.set()

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        with contextlib.suppress(RedisError, OSError):
            await self._pubsub.aclose()  # type: ignore[no-untyped-call]
