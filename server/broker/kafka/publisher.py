"""Writes to Kafka: acknowledged by all replicas in sync, or failed, within seconds."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from functools import partial

from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from server.broker import RecordTooLargeError
from server.broker.kafka.client import Producer, connected
from server.broker.kafka.client_thread import ClientThread
from server.broker.kafka.cluster import SHARE_CONNECTING, SHARE_DELIVERING, Cluster
from server.broker.kafka.topics import ensure_topics

log = logging.getLogger(__name__)
SCHEMA = ("hua-schema", b"1")
MOST_BYTES = 1_000_000
"""Of a record: what Kafka takes unless it is told otherwise, with some room for the envelope."""
OUTCOME_BYTES = 100_000
"""What an outcome adds to its task, so that no task is accepted whose outcome could not be written."""


class Publisher:
    """The producer is made when it is first needed, and anew after each failure: what was not acknowledged in time is
    dropped with it and not written long after we said that it was not."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lane = ClientThread(cluster, "kafka-writes")
        self._producer: Producer | None = None
        self._topics_are_there = False
        self._lane.begin(self._warm_up)

    async def publish(self, topic: str, key: str, value: bytes, most_bytes: int) -> None:
        """Raises BrokerUnavailableError, RecordTooLargeError."""
        if len(value) > most_bytes:
            raise RecordTooLargeError(f"{len(value)} bytes are too many for one record; send at most {most_bytes}")
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._cluster.patience_s):
                await self._lane.run(partial(self._send, topic, key.encode(), value, written))
                await written
        except TimeoutError as error:
            raise self._cluster.unavailable(f"no answer for {self._cluster.patience_s:g} s") from error
        except MessageSizeTooLargeError as error:
            raise RecordTooLargeError(
                f"{len(value)} bytes are too many for the topic {topic}; send less, or have the operator raise its "
                "max.message.bytes"
            ) from error
        except KafkaError as error:
            raise self._cluster.unavailable(error) from error
        finally:
            written.cancel()

    async def close(self) -> None:
        await self._lane.close(self._drop)

    # --- in the lane's thread

    def _warm_up(self) -> None:
        """So that the first task does not wait for connections, and a wrong address is told at the start."""
        try:
            self._ready()
        except (KafkaError, OSError) as error:
            log.warning("%s", self._cluster.unavailable(error))

    def _ready(self) -> Producer:
        if not self._topics_are_there:
            ensure_topics(self._cluster)
            self._topics_are_there = True
        if self._producer is None:
            self._producer = connected(
                Producer,
                **self._cluster.options,
                acks="all",
                enable_idempotence=True,
                delivery_timeout_ms=self._cluster.ms(SHARE_DELIVERING),
                max_block_ms=self._cluster.ms(SHARE_CONNECTING),
                allow_auto_create_topics=False,
                metrics_enabled=False,
            )
        return self._producer

    def _send(self, topic: str, key: bytes, value: bytes, written: asyncio.Future[None]) -> None:
        producer = self._ready()
        if written.cancelled():  # meanwhile the caller was told that it failed
            return
        try:
            sent = producer.send(topic, value, key, [SCHEMA])
        except KafkaTimeoutError:
            self._drop()
            raise
        tell = partial(self._tell, producer, written)
        sent.add_callback(lambda _: tell(None))
        sent.add_errback(tell)

    def _drop(self) -> None:
        """Also of what is still under way."""
        producer, self._producer = self._producer, None
        if producer is not None:
            producer.give_up()

    # --- in the producer's thread

    def _tell(self, producer: Producer, written: asyncio.Future[None], error: Exception | None) -> None:
        if error is not None:
            with contextlib.suppress(RuntimeError):  # closing already
                self._lane.begin(partial(self._drop_if, producer))
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            written.get_loop().call_soon_threadsafe(_conclude, written, error)

    def _drop_if(self, producer: Producer) -> None:
        if self._producer is producer:
            self._drop()


def _conclude(written: asyncio.Future[None], error: Exception | None) -> None:
    if written.done():
        return
    if error is None:
        written.set_result(None)
    else:
        written.set_exception(error)
