"""A thread for a client of kafka-python, whose calls block; the event loop must not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from server.broker.kafka.cluster import Cluster

T = TypeVar("T")


class ClientThread:
    """Runs calls one after another. Errors of Kafka become BrokerUnavailableError."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._thread = ThreadPoolExecutor(1, name)

    async def run(self, work: Callable[[], T]) -> T:
        with self._cluster.answering():
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def begin(self, work: Callable[[], object]) -> None:
        """Starts a call whose result is not needed."""
        self._thread.submit(work)

    async def close(self, work: Callable[[], object]) -> None:
        """Runs `work` last, after the call in progress; calls that have not begun are dropped."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self._thread.shutdown)
        await asyncio.to_thread(work)
