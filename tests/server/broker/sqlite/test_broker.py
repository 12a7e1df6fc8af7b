"""Faults of a log file."""

import asyncio
import contextlib
import logging
import signal
import sqlite3
import subprocess
import sys

import pytest

from server.broker import BrokerUnavailableError, Position
from server.broker.sqlite import broker as broker_module
from server.broker.sqlite import log_file
from server.broker.sqlite.broker import SQLiteBroker


@pytest.fixture
def path(tmp_path):
    return tmp_path / "logs.sqlite"


async def caught_up(log) -> list:
    found = []
    async for _, record in log:
        if record is None:
            return found
        found.append(record)
    return found


PUBLISHING = """
import asyncio, sys
from pathlib import Path
from server.broker.sqlite.broker import SQLiteBroker
from server.task import Task

async def publish(lane):
    for number in range(100_000):
        task_id = f"{lane}-{number}"
        await broker.publish_task(
            Task(id=task_id, type="t", params={"text": "x" * 3000}, tenant="t", created_at=0)
        )
        print(task_id, flush=True)

async def main():
    global broker
    broker = SQLiteBroker(Path(sys.argv[1]))
    await asyncio.gather(*(publish(lane) for lane in sys.argv[2]))

asyncio.run(main())
"""


def publishing(path, lanes: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PUBLISHING, path, lanes], stdout=subprocess.PIPE, text=True)


async def test_kill_9_loses_no_acknowledged_record(path) -> None:
    """Two processes write concurrently, each in several lanes, and are killed meanwhile."""
    writers = [publishing(path, "abc"), publishing(path, "de")]
    acknowledged = []
    for writer in writers:
        acknowledged += [writer.stdout.readline().strip() for _ in range(40)]
    for writer in writers:
        writer.send_signal(signal.SIGKILL)
        acknowledged += writer.stdout.read().split()
        writer.wait()
        writer.stdout.close()
    broker = SQLiteBroker(path)
    found = [task.id for task in await caught_up(broker.tasks())]
    await broker.close()
    assert len(acknowledged) >= 80
    assert set(acknowledged) <= set(found)
    assert len(found) == len(set(found))
    for lane in "abcde":
        numbers = [int(task_id.split("-")[1]) for task_id in found if task_id.startswith(lane)]
        assert numbers == list(range(len(numbers)))


async def test_concurrent_publishes_share_transactions(path, make_task) -> None:
    broker = SQLiteBroker(path)
    batches = []
    write = broker._writer.write  # private: only the writer knows its transactions
    broker._writer.write = lambda entries: (batches.append(len(entries)), write(entries))
    await asyncio.gather(*(broker.publish_task(make_task()) for _ in range(200)))
    await broker.close()
    assert sum(batches) == 200
    assert len(batches) <= 3


async def test_locked_file_is_unavailable_until_unlocked(path, make_task) -> None:
    broker = SQLiteBroker(path, lock_timeout_s=0.05)
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("begin exclusive")
        with pytest.raises(BrokerUnavailableError, match=r"locked.*try again"):
            await broker.publish_task(make_task())
        with pytest.raises(BrokerUnavailableError, match=r"locked.*try again"):
            await broker.check()
        other.execute("rollback")
    await broker.check()
    other.close()
    task = make_task()
    await broker.publish_task(task)
    assert await caught_up(broker.tasks()) == [task]
    await broker.close()


FILLING = """
import asyncio, resource, sys
from pathlib import Path
from server.broker import BrokerUnavailableError
from server.broker.sqlite.broker import SQLiteBroker
from server.task import Task

def task(task_id, size=10):
    return Task(id=task_id, type="t", params={"text": "x" * size}, tenant="t", created_at=0)

async def main():
    broker = SQLiteBroker(Path(sys.argv[1]))
    await broker.publish_task(task("before"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    large = [broker.publish_task(task(f"large-{number}", 30_000)) for number in range(5)]
    for error in await asyncio.gather(*large, return_exceptions=True):
        print(type(error).__name__, "room" in str(error))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    await broker.publish_task(task("after"))

asyncio.run(main())
"""


async def test_full_disk_is_unavailable_and_leaves_no_partial_record(path) -> None:
    done = subprocess.run([sys.executable, "-c", FILLING, path], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["BrokerUnavailableError True"] * 5
    broker = SQLiteBroker(path)
    assert [task.id for task in await caught_up(broker.tasks())] == ["before", "after"]
    await broker.close()


async def test_unreadable_record_is_skipped_and_logged_without_contents(path, make_task, caplog) -> None:
    broker, before, after = SQLiteBroker(path), make_task(), make_task()
    await broker.publish_task(before)
    with sqlite3.connect(path) as other:
        for value in ('{"id": "x", "params": "a secret prompt"}', "no json: a secret prompt", ""):
            other.execute("insert into records (log, key, value, at) values ('tasks', 'x', ?, 0)", (value,))
    other.close()
    await broker.publish_task(after)
    with caplog.at_level(logging.ERROR):
        assert await caught_up(broker.tasks()) == [before, after]
    assert caplog.text.count("is skipped") == 3
    assert "secret" not in caplog.text
    await broker.close()


async def test_read_only_folder_is_unavailable(tmp_path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BrokerUnavailableError, match=r"logs\.sqlite cannot be used"):
        SQLiteBroker(tmp_path / "file" / "logs.sqlite")


async def test_publish_after_close_fails(path, make_task) -> None:
    broker = SQLiteBroker(path)
    await broker.close()
    with pytest.raises(RuntimeError):
        await broker.publish_task(make_task())


async def test_canceled_publish_does_not_stop_others(path, make_task) -> None:
    broker, tasks = SQLiteBroker(path), [make_task() for _ in range(6)]
    publishing = [asyncio.create_task(broker.publish_task(task)) for task in tasks]
    await asyncio.sleep(0)
    publishing[0].cancel()
    publishing[3].cancel()
    await asyncio.gather(*publishing, return_exceptions=True)
    found = [task.id for task in await caught_up(broker.tasks())]
    await broker.close()
    assert {tasks[index].id for index in (1, 2, 4, 5)} <= set(found)


async def test_old_records_are_pruned_while_it_runs(path, make_task, monkeypatch) -> None:
    monkeypatch.setattr(broker_module, "PRUNE_EVERY_S", 0.0)
    broker = SQLiteBroker(path)
    await broker.publish_task(make_task(id="old"))
    monkeypatch.setattr(log_file, "RETENTION_S", -60.0)
    await broker.commit_tasks(Position(0, 1))
    await broker.publish_task(make_task(id="young"))
    await broker.close()
    with sqlite3.connect(path) as other:
        assert other.execute("select key from records").fetchall() == [("young",)]
    other.close()


@pytest.mark.parametrize("data", [b"not a database " * 1000, b"SQLite format 3\0" + bytes(5000)])
def test_damaged_file_is_named_with_what_to_do(path, data) -> None:
    path.write_bytes(data)
    with pytest.raises(BrokerUnavailableError, match=r"logs\.sqlite cannot be used.*restore it from a backup"):
        SQLiteBroker(path)


async def test_new_file_has_another_log_id(path) -> None:
    ids = []
    for _ in range(2):
        broker = SQLiteBroker(path)
        ids.append(await broker.log_id())
        await broker.close()
        path.unlink()
    assert ids[0] != ids[1]


async def test_file_of_a_version_without_ids_gets_one_and_keeps_its_records(path, make_task) -> None:
    broker, task = SQLiteBroker(path), make_task()
    await broker.publish_task(task)
    await broker.close()
    with contextlib.closing(sqlite3.connect(path)) as earlier:
        earlier.execute("drop table identity")
    brokers = [SQLiteBroker(path), SQLiteBroker(path)]
    assert await brokers[0].log_id() == await brokers[1].log_id() != ""
    assert await caught_up(brokers[1].tasks()) == [task]
    for each in brokers:
        await each.close()
