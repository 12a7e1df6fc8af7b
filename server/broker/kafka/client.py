"""Clients of kafka-python that leave no thread, socket or unsent record behind when they fail."""

from __future__ import annotations

import contextlib
from typing import Any, Protocol, TypeVar

from kafka import KafkaProducer
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

CLOSE_S = 1.0
C = TypeVar("C", covariant=True)


class ClientClass(Protocol[C]):
    """KafkaProducer, KafkaConsumer or KafkaAdminClient."""

    def __call__(self, **options: Any) -> C: ...


def connect(client_class: ClientClass[C], **options: Any) -> C:
    """Makes a client. Raises KafkaError, and then closes the sockets and the thread that would go on trying."""
    clients: list[KafkaNetClient] = []

    def make_net(**options: Any) -> KafkaNetClient:
        clients.append(KafkaNetClient(**options))
        return clients[-1]

    try:
        return client_class(kafka_client=make_net, **options)
    except BaseException:
        for client in clients:
            client.close()
        raise


class Producer(KafkaProducer):  # type: ignore[misc]
    def give_up(self) -> None:
        """Fails pending records and closes. `close` alone waits for them, and stays open if that takes too long."""
        self._sender.force_close()
        self._sender.wakeup()
        with contextlib.suppress(KafkaError):
            self.close(timeout=CLOSE_S)

    def __del__(self) -> None:
        """Does nothing, because `give_up` was called or there is no connection. KafkaProducer's waits and may raise."""
