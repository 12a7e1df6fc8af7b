"""A thread of its own for a client that blocks, so that the event loop never does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from server.broker.kafka.cluster import Cluster

T = TypeVar("T")


class ClientThread:
    """What is asked of it is done one after another. Whatever Kafka refuses is a BrokerUnavailableError."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._thread = ThreadPoolExecutor(1, name)

    async def run(self, work: Callable[[], T]) -> T:
        with self._cluster.answering():
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def begin(self, work: Callable[[], object]) -> None:
        """Nobody waits for it."""
        self._thread.submit(work)

    async def close(self, work: Callable[[], object]) -> None:
        """Does this last, after what is under way; what had not begun is left out."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(work)
