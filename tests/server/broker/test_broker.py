"""The contract of every broker."""

import asyncio

import pytest

from server.broker import Position
from server.broker.history import first_outcome
from server.broker.kafka.broker import KafkaBroker
from server.broker.sqlite.broker import SQLiteBroker


@pytest.fixture(params=["sqlite", "kafka"])
async def open_broker(request, tmp_path):
    """Opens one more connection to the same logs, as another process would."""
    opened = []
    url = request.getfixturevalue("kafka_url") if request.param == "kafka" else ""

    def open_one():
        opened.append(KafkaBroker(url) if url else SQLiteBroker(tmp_path / "logs.sqlite"))
        return opened[-1]

    yield open_one
    for broker in opened:
        await broker.close()


async def until_caught_up(log) -> list:
    """The records up to the first (position, None)."""
    found = []
    async for position, record in log:
        if record is None:
            return found
        found.append((position, record))
    return found


async def test_logs_are_read_in_the_order_of_writing(open_broker, make_task, make_outcome) -> None:
    broker = open_broker()
    tasks = [make_task() for _ in range(600)]
    for task in tasks[:5]:
        await broker.publish_task(task)
    await asyncio.gather(*map(broker.publish_task, tasks[5:]))
    outcome = make_outcome(tasks[0], timings={"run": 0.1 + 0.2})
    await broker.publish_outcome(outcome)
    read = await until_caught_up(broker.tasks())
    assert [task for _, task in read] == tasks
    assert [position.offset for position, _ in read] == sorted({position.offset for position, _ in read})
    assert [each for _, each in await until_caught_up(broker.outcomes())] == [outcome]


async def test_reader_of_an_empty_log_has_caught_up_at_once(open_broker) -> None:
    assert await until_caught_up(open_broker().tasks()) == []


async def test_reader_yields_later_records_and_each_catching_up(open_broker, make_task) -> None:
    broker, first, second = open_broker(), make_task(), make_task()
    heard = []

    async def listen() -> None:
        async for _, task in broker.tasks():
            heard.append(task and task.id)

    listening = asyncio.create_task(listen())
    for task in (first, second):
        await broker.publish_task(task)
        while not (task.id in heard and heard[-1] is None):
            await asyncio.sleep(0.005)
    listening.cancel()
    assert [each for each in heard if each] == [first.id, second.id]


async def test_reader_yields_records_of_other_processes(open_broker, make_task) -> None:
    reader, writer, task = open_broker(), open_broker(), make_task()
    log = reader.tasks()
    assert (await anext(log))[1] is None
    await writer.publish_task(task)
    assert (await anext(log))[1] == task


async def test_reading_begins_after_the_committed_offset(open_broker, make_task, make_outcome) -> None:
    broker = open_broker()
    tasks = [make_task() for _ in range(4)]
    for task in tasks:
        await broker.publish_task(task)
        await broker.publish_outcome(make_outcome(task))
    positions = [position for position, _ in await until_caught_up(broker.tasks())]
    await broker.commit_tasks(positions[1])
    again = open_broker()
    assert [task for _, task in await until_caught_up(again.tasks())] == tasks[2:]
    assert len(await until_caught_up(again.outcomes())) == 4
    outcomes = [position for position, _ in await until_caught_up(broker.outcomes())]
    await broker.commit_outcomes(outcomes[-1])
    assert await until_caught_up(again.outcomes()) == []


async def test_older_commit_changes_nothing(open_broker, make_task) -> None:
    broker = open_broker()
    for _ in range(3):
        await broker.publish_task(make_task())
    positions = [position for position, _ in await until_caught_up(broker.tasks())]
    for position in (positions[2], positions[0]):
        await broker.commit_tasks(position)
    assert await until_caught_up(open_broker().tasks()) == []


async def test_caught_up_position_may_be_committed(open_broker, make_task) -> None:
    broker = open_broker()
    await broker.publish_task(make_task())
    log = broker.tasks()
    last, _ = await anext(log)
    assert await anext(log) == (last, None)
    assert isinstance(last, Position)


async def test_check_writes_no_record(open_broker, make_task) -> None:
    broker, task = open_broker(), make_task()
    await broker.publish_task(task)
    for _ in range(3):
        await broker.check()
    assert [each for _, each in await until_caught_up(broker.tasks())] == [task]


async def test_past_outcomes_are_all_that_the_log_has(open_broker, make_task, make_outcome) -> None:
    broker, tasks = open_broker(), [make_task() for _ in range(3)]
    assert [each async for each in broker.past_outcomes()] == []
    outcomes = [make_outcome(task, attempt=attempt) for attempt in "ab" for task in tasks]
    for outcome in outcomes:
        await broker.publish_outcome(outcome)
    for position, _ in await until_caught_up(broker.outcomes()):
        await broker.commit_outcomes(position)
    assert [each async for each in open_broker().past_outcomes()] == outcomes
    assert await first_outcome(broker, tasks[1].id) == outcomes[1]
    assert await first_outcome(broker, make_task().id) is None


async def test_log_id_is_that_of_the_logs_not_of_a_connection(open_broker) -> None:
    assert await open_broker().log_id() == await open_broker().log_id()


async def test_two_readers_both_read_everything(open_broker, make_task) -> None:
    broker, task = open_broker(), make_task()
    logs = [broker.tasks(), broker.tasks()]
    for log in logs:
        assert (await anext(log))[1] is None
    await broker.publish_task(task)
    assert [(await anext(log))[1] for log in logs] == [task, task]
