"""Writes to Kafka: within seconds a record is acknowledged by all in-sync replicas, or has failed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from functools import partial

from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from server.broker import RecordTooLargeError
from server.broker.kafka.client import Producer, connect
from server.broker.kafka.client_thread import ClientThread
from server.broker.kafka.cluster import CONNECT_FRACTION, DELIVERY_FRACTION, Cluster
from server.broker.kafka.topics import ensure_topics
from server.broker.kafka.write_check import Refusal

log = logging.getLogger(__name__)
SCHEMA = ("hua-schema", b"1")
MOST_BYTES = 1_000_000
"""Limit of a record: Kafka's default, less some bytes for the record's header."""
OUTCOME_BYTES = 100_000
"""What an outcome adds to its task. Tasks whose outcome could be too large are refused."""


class Publisher:
    """Makes a new producer after each failure.

    Records that were not acknowledged in time are dropped with the old one, so that none is written long after its
    caller was told that it failed.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.refusal: Refusal | None = None
        self._thread = ClientThread(cluster, "kafka-writes")
        self._producer: Producer | None = None
        self._topics_exist = False
        self._thread.begin(self._warm_up)

    async def publish(self, topic: str, key: str, value: bytes, most_bytes: int) -> None:
        """Raises BrokerUnavailableError, RecordTooLargeError."""
        if len(value) > most_bytes:
            raise RecordTooLargeError(f"{len(value)} bytes are too many for one record; send at most {most_bytes}")
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._cluster.timeout_s):
                await self._thread.run(partial(self._send, topic, key.encode(), value, written))
                await written
            self.refusal = None
        except TimeoutError as error:
            no_answer = f"no answer for {self._cluster.timeout_s:g} s"
            self.refusal = Refusal(no_answer, time.monotonic())
            raise self._cluster.unavailable(no_answer) from error
        except MessageSizeTooLargeError as error:
            raise RecordTooLargeError(
                f"{len(value)} bytes are too many for the topic {topic}; send less, or have the operator raise its "
                "max.message.bytes"
            ) from error
        except KafkaError as error:
            self.refusal = Refusal(error, time.monotonic())
            raise self._cluster.unavailable(error) from error
        finally:
            written.cancel()

    async def close(self) -> None:
        await self._thread.close(self._drop)

    # --- in the client's thread

    def _warm_up(self) -> None:
        """Connects early, so that the first task does not wait and a wrong address is reported at start."""
        try:
            self._ready()
        except (KafkaError, OSError) as error:
            log.warning("%s", self._cluster.unavailable(error))

    def _ready(self) -> Producer:
        if not self._topics_exist:
            ensure_topics(self._cluster)
            self._topics_exist = True
        if self._producer is None:
            self._producer = connect(
                Producer,
                **self._cluster.options,
                acks="all",
                enable_idempotence=True,
                delivery_timeout_ms=self._cluster.ms(DELIVERY_FRACTION),
                max_block_ms=self._cluster.ms(CONNECT_FRACTION),
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        return self._producer

    def _send(self, topic: str, key: bytes, value: bytes, written: asyncio.Future[None]) -> None:
        producer = self._ready()
        if written.cancelled():  # the caller has already been told that it failed
            return
        try:
            sent = producer.send(topic, value, key, [SCHEMA])
        except KafkaTimeoutError:
            self._drop()
            raise
        conclude = partial(self._conclude, producer, written)
        sent.add_callback(lambda _: conclude(None))
        sent.add_errback(conclude)

    def _drop(self) -> None:
        """Drops the producer, with pending records."""
        producer, self._producer, self._topics_exist = self._producer, None, False  # a topic may have been deleted
        if producer is not None:
            producer.give_up()

    # --- in the producer's thread

    def _conclude(self, producer: Producer, written: asyncio.Future[None], error: Exception | None) -> None:
        if error is not None:
            with contextlib.suppress(RuntimeError):  # already closing
                self._thread.begin(partial(self._drop_if, producer))
        with contextlib.suppress(RuntimeError):  # the loop is closed, so no caller waits
            written.get_loop().call_soon_threadsafe(_set_result, written, error)

    def _drop_if(self, producer: Producer) -> None:
        if self._producer is producer:
            self._drop()


def _set_result(written: asyncio.Future[None], error: Exception | None) -> None:
    if written.done():
        return
    if error is None:
        written.set_result(None)
    else:
        written.set_exception(error)
