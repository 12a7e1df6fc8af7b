"""Faults of a Kafka cluster."""

import asyncio
import contextlib
import logging
import time
from contextlib import aclosing

import pytest
from kafka import KafkaAdminClient, KafkaProducer

from server.broker import BrokerUnavailableError, Position, RecordTooLargeError
from server.broker.kafka.broker import KafkaBroker
from server.broker.kafka.cluster import TIMEOUT_S

SHORT_S = 2.0
BOUND_S = SHORT_S + 1


@pytest.fixture
async def opened():
    """`opened(url)` opens a broker and closes it after the test."""
    brokers = []

    def open_one(url: str) -> KafkaBroker:
        brokers.append(KafkaBroker(url, SHORT_S))
        return brokers[-1]

    yield open_one
    for broker in brokers:
        await broker.close()


async def caught_up(log) -> list:
    found = []
    async with aclosing(log):
        async for position, record in log:
            if record is None:
                return found
            found.append((position, record))
    return found


async def caught_up_with_new_topic(broker: KafkaBroker) -> list:
    """Kafka may not know a new topic at once."""
    while True:
        with contextlib.suppress(BrokerUnavailableError):
            return await caught_up(broker.tasks())
        await asyncio.sleep(0.05)


async def listen_for_ever(log) -> None:
    async for _ in log:
        pass


def prefix_of(url: str) -> str:
    return url.rpartition("/")[2].partition("?")[0]


def test_submission_without_kafka_gets_503_within_six_seconds() -> None:
    assert TIMEOUT_S <= 5


async def refused_in_time(publishing) -> None:
    began = time.monotonic()
    with pytest.raises(BrokerUnavailableError, match=r"check that Kafka runs"):
        await publishing
    assert time.monotonic() - began < BOUND_S


async def test_killed_kafka_is_unavailable_until_it_is_back(own_kafka, opened, make_task):
    """Acknowledged records survive, and a waiting reader continues without a restart."""
    url = f"kafka://{own_kafka.address}/?partitions=3"
    broker, tasks, heard = opened(url), [make_task() for _ in range(4)], []

    async def listen() -> None:
        async for _, task in broker.tasks():
            heard.append(task and task.id)

    async def until_read(task) -> None:
        while not (task.id in heard and heard[-1] is None):
            await asyncio.sleep(0.02)

    listening = asyncio.create_task(listen())
    await broker.publish_task(tasks[0])
    await until_read(tasks[0])
    await broker.check()

    own_kafka.stop()
    await refused_in_time(broker.check())
    await refused_in_time(broker.publish_task(tasks[1]))
    await refused_in_time(asyncio.gather(*(opened(url).publish_task(make_task()) for _ in range(3))))
    with pytest.raises(BrokerUnavailableError):
        await broker.commit_tasks(Position(0, 0))
    own_kafka.start()

    await broker.publish_task(tasks[2])
    await until_read(tasks[2])
    await until_ready(broker)
    listening.cancel()
    found = [task.id for _, task in await caught_up(opened(url).tasks())]
    assert found.count(tasks[0].id) == found.count(tasks[2].id) == 1


async def test_silent_kafka_is_unavailable_in_time(own_kafka, opened, make_task):
    """Its connections stay open, so only a timeout shows that it hangs."""
    broker, before, after = opened(f"kafka://{own_kafka.address}/paused."), make_task(), make_task()
    await broker.publish_task(before)
    own_kafka.pause()
    try:
        await refused_in_time(broker.check())
        await refused_in_time(asyncio.gather(*(broker.publish_task(make_task()) for _ in range(20))))
        await refused_in_time(broker.publish_task(make_task()))
    finally:
        own_kafka.resume()
    await until_accepted(broker, after)
    found = [task.id for _, task in await caught_up(broker.tasks())]
    assert found.count(before.id) == found.count(after.id) == 1


async def until_ready(broker) -> None:
    while True:
        try:
            return await broker.check()
        except BrokerUnavailableError:
            await asyncio.sleep(0.1)


async def until_accepted(broker, task) -> None:
    while True:
        try:
            return await broker.publish_task(task)
        except BrokerUnavailableError:
            await asyncio.sleep(0.1)


async def test_missing_kafka_at_start_is_logged_and_waited_for(caplog, opened, make_task):
    broker = opened("kafka://127.0.0.1:1")
    await refused_in_time(broker.publish_task(make_task()))
    with pytest.raises(BrokerUnavailableError):
        await anext(broker.outcomes())
    assert "the logs in Kafka at 127.0.0.1:1 cannot be used now" in caplog.text


async def test_check_finds_what_kafka_would_refuse(running_kafka, kafka_url, opened):
    """The topic needs more replicas than there are; then there is no topic."""
    topic = f"{prefix_of(kafka_url)}tasks"
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=running_kafka)) as admin:
        config = {"min.insync.replicas": "2"}
        admin.create_topics({topic: {"num_partitions": 1, "replication_factor": 1, "configs": config}})
        broker = opened(kafka_url)
        with pytest.raises(BrokerUnavailableError, match=r"1 replicas in sync and needs 2.*min.insync.replicas"):
            await broker.check()
        admin.delete_topics([topic])
        with pytest.raises(BrokerUnavailableError, match=rf"{topic} does not exist"):
            await broker.check()


async def test_topic_that_is_created_again_is_read_from_its_first_record(running_kafka, kafka_url, opened, make_task):
    """The committed offset of the old topic lies within the new one; what is below it was never read."""
    broker, tasks = opened(kafka_url), [make_task() for _ in range(5)]
    for task in tasks[:2]:
        await broker.publish_task(task)
    for position, _ in await caught_up(broker.tasks()):
        await broker.commit_tasks(position)
    log_id = await broker.log_id()
    await broker.close()
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=running_kafka)) as admin:
        admin.delete_topics([f"{prefix_of(kafka_url)}tasks"])
    again = opened(kafka_url)
    for task in tasks:
        await until_accepted(again, task)
    assert [task.id for _, task in await caught_up_with_new_topic(again)] == [task.id for task in tasks]
    assert await again.log_id() != log_id


async def test_deleted_topic_is_created_again_by_the_next_task(running_kafka, kafka_url, opened, make_task):
    broker, task = opened(kafka_url), make_task()
    await broker.publish_task(make_task())
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=running_kafka)) as admin:
        admin.delete_topics([f"{prefix_of(kafka_url)}tasks"])
    await until_accepted(broker, task)
    assert task.id in [read.id for _, read in await caught_up_with_new_topic(broker)]


async def test_close_is_prompt_without_kafka(make_task):
    broker = KafkaBroker("kafka://127.0.0.1:1", SHORT_S)
    publishing = asyncio.create_task(broker.publish_task(make_task()))
    await asyncio.sleep(0.1)
    publishing.cancel()
    await asyncio.wait_for(broker.close(), BOUND_S)


async def test_missing_topics_are_created_and_existing_ones_left(kafka_url, opened, make_task):
    prefix, admin = prefix_of(kafka_url), KafkaAdminClient(bootstrap_servers=kafka_url.split("/")[2])
    admin.create_topics({f"{prefix}outcomes": {"num_partitions": 2, "replication_factor": 1}})
    broker = opened(kafka_url.replace("partitions=1", "partitions=5&replication=1"))
    await broker.publish_task(make_task())
    partitions = {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}
    admin.close()
    assert partitions[f"{prefix}tasks"] == 5
    assert partitions[f"{prefix}outcomes"] == 2


async def test_records_are_read_and_committed_in_every_partition(kafka_url, opened, make_task, make_outcome):
    url = kafka_url.replace("partitions=1", "partitions=4")
    broker, tasks = opened(url), [make_task() for _ in range(40)]
    await asyncio.gather(*map(broker.publish_task, tasks))
    first, second = make_outcome(tasks[0], attempt="first"), make_outcome(tasks[0], attempt="second")
    for outcome in (first, second):
        await broker.publish_outcome(outcome)
    read = await caught_up(broker.tasks())
    assert {position.partition for position, _ in read} == {0, 1, 2, 3}
    assert sorted(task.id for _, task in read) == [task.id for task in tasks]
    assert [outcome for _, outcome in await caught_up(broker.outcomes())] == [first, second]

    done = [position for position, _ in read if position.partition in {1, 2}]
    await asyncio.gather(*map(broker.commit_tasks, done))
    left = await caught_up(opened(url).tasks())
    assert left == [(position, task) for position, task in read if position.partition in {0, 3}]


async def test_new_partitions_start_reading_again(kafka_url, opened, make_task, monkeypatch):
    monkeypatch.setattr("server.broker.kafka.reader.METADATA_EVERY_S", 0.1)
    broker, task = opened(kafka_url), make_task()
    await broker.publish_task(task)
    async with aclosing(broker.tasks()) as log:
        assert (await anext(log))[1] == task
        admin = KafkaAdminClient(bootstrap_servers=kafka_url.split("/")[2])
        admin.create_partitions({f"{prefix_of(kafka_url)}tasks": 3})
        admin.close()
        with pytest.raises(BrokerUnavailableError, match="new partitions"):
            await listen_for_ever(log)
    assert [each.id for _, each in await caught_up(broker.tasks())] == [task.id]


async def test_unreadable_record_is_skipped_without_its_contents(kafka_url, opened, make_task, caplog):
    broker, before, after = opened(kafka_url), make_task(), make_task()
    await broker.publish_task(before)
    other = KafkaProducer(bootstrap_servers=kafka_url.split("/")[2])
    readable = make_task().model_dump_json().encode()
    schema = [("hua-schema", b"1")]
    for key, value, headers in (
        (b"x", b'{"id": "x", "params": "a secret prompt"}', schema),
        (b"x", b"no json: a secret prompt", schema),
        (b"\xff", b"\xff", schema),
        (None, b"", schema),
        (b"x", None, schema),
        (b"x", readable, [("hua-schema", b"2")]),
        (b"x", readable, []),
    ):
        other.send(f"{prefix_of(kafka_url)}tasks", value, key, headers).get(10)
    other.close()
    await broker.publish_task(after)
    with caplog.at_level(logging.ERROR):
        assert [task for _, task in await caught_up(broker.tasks())] == [before, after]
    assert caplog.text.count("is skipped") == 7
    assert "secret" not in caplog.text


async def test_too_large_record_is_refused_and_others_pass(kafka_url, opened, make_task, make_outcome):
    broker, task = opened(kafka_url), make_task()
    with pytest.raises(RecordTooLargeError, match="send at most"):
        await broker.publish_task(make_task(params={"text": "x" * 2_000_000}))
    admin = KafkaAdminClient(bootstrap_servers=kafka_url.split("/")[2])
    smaller = {"num_partitions": 1, "replication_factor": 1, "configs": {"max.message.bytes": "2000"}}
    other = kafka_url.replace("/hua-", "/small-")
    admin.create_topics({f"{prefix_of(other)}tasks": smaller})
    admin.close()
    small = opened(other)
    with pytest.raises(RecordTooLargeError, match=r"max\.message\.bytes"):
        await small.publish_task(make_task(params={"text": "x" * 3000}))
    for one in (broker, small):
        await one.publish_task(task)
        assert [each for _, each in await caught_up(one.tasks())] == [task]


async def test_publish_with_a_clock_ahead_is_accepted(kafka_url, opened, make_task):
    """I18: Kafka refuses records dated over an hour ahead, unless it dates records itself."""
    broker = opened(kafka_url)
    await broker.publish_task(make_task())
    in_two_hours = int(1000 * (time.time() + 7200))
    producer = KafkaProducer(bootstrap_servers=kafka_url.split("/")[2])
    written = producer.send(f"{prefix_of(kafka_url)}tasks", b"{}", timestamp_ms=in_two_hours)
    assert written.get(10).offset == 1
    producer.close()


async def test_publish_after_close_fails(kafka_url, make_task):
    broker = KafkaBroker(kafka_url)
    await broker.close()
    with pytest.raises(RuntimeError):
        await broker.publish_task(make_task())


async def test_canceled_publish_does_not_stop_others(kafka_url, opened, make_task):
    broker, tasks = opened(kafka_url), [make_task() for _ in range(6)]
    publishing = [asyncio.create_task(broker.publish_task(task)) for task in tasks]
    await asyncio.sleep(0)
    publishing[0].cancel()
    publishing[3].cancel()
    await asyncio.gather(*publishing, return_exceptions=True)
    found = {task.id for _, task in await caught_up(broker.tasks())}
    assert {tasks[index].id for index in (1, 2, 4, 5)} <= found
