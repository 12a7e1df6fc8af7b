"""Clients of kafka-python that leave nothing behind: no thread, no socket, no record to be sent later."""

from __future__ import annotations

import contextlib
from typing import Any, Protocol, TypeVar

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

CLOSE_S = 1.0
C = TypeVar("C", covariant=True)


class Kind(Protocol[C]):
    """KafkaProducer, KafkaConsumer or KafkaAdminClient."""

    def __call__(self, **options: Any) -> C: ...


def connected(kind: Kind[C], **options: Any) -> C:
    """A client, or KafkaError: one that cannot connect would keep its sockets, and its thread that goes on trying."""
    clients: list[KafkaNetClient] = []

    def net(**given: Any) -> KafkaNetClient:
        clients.append(KafkaNetClient(**given))
        return clients[-1]

    try:
        return kind(kafka_client=net, **options)
    except BaseException:
        for client in clients:
            client.close()
        raise


class Producer(KafkaProducer):  # type: ignore[misc]
    def give_up(self) -> None:
        """Fails what is pending and closes. `close` alone waits for it first, and stays open if that takes too long."""
        self._sender.force_close()
        self._sender.wakeup()
        with contextlib.suppress(KafkaError):
            self.close(timeout=CLOSE_S)

    def __del__(self) -> None:
        """Nothing: `give_up` has been called, or there is no connection. That of KafkaProducer waits and may raise."""
