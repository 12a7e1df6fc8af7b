import sqlite3
import threading
import time

import pytest

from server.broker.sqlite.log_file import RETENTION_S, Append, Commit, LogFile


@pytest.fixture
def open_file(tmp_path):
    opened = []

    def open_one() -> LogFile:
        opened.append(LogFile(tmp_path / "logs.sqlite", lock_timeout_s=1))
        return opened[-1]

    yield open_one
    for one in opened:
        one.close()


def keys(file: LogFile, log: str) -> list[str]:
    return [record.key for record in file.read(log, 0, 100)]


def test_batch_is_written_whole_or_not_at_all(open_file) -> None:
    file = open_file()
    with pytest.raises(sqlite3.Error):
        file.write([Append("tasks", "a", "{}"), Append("tasks", "b", None)])  # type: ignore[arg-type]
    assert keys(file, "tasks") == []
    file.write([Append("tasks", "c", "{}"), Commit("tasks", 1)])
    assert keys(file, "tasks") == ["c"]


def test_records_are_flushed_and_commits_alone_are_not(open_file) -> None:
    file = open_file()

    def level() -> int:
        # Private: SQLite tells the level of a connection only to that connection.
        return file._db.execute("pragma synchronous").fetchone()[0]

    normal, full = 1, 2
    file.write([Commit("tasks", 1)])
    assert level() == normal
    file.write([Commit("tasks", 1), Append("tasks", "a", "{}")])
    assert level() == full
    assert file._db.execute("pragma journal_mode").fetchone()[0] == "wal"


def test_prune_deletes_only_old_committed_records(open_file, tmp_path) -> None:
    file = open_file()
    file.write([Append(log, key, "{}") for key in "abc" for log in ("tasks", "outcomes")])
    offsets = {record.key: record.offset for record in file.read("tasks", 0, 100)}
    file.write([Commit("tasks", offsets["b"])])
    file.prune()
    assert keys(file, "tasks") == ["a", "b", "c"], "young ones stay"
    with sqlite3.connect(tmp_path / "logs.sqlite") as other:
        other.execute("update records set at = ? where key != 'b'", (time.time() - RETENTION_S - 1,))
    other.close()
    file.prune()
    assert keys(file, "tasks") == ["b", "c"]
    assert keys(file, "outcomes") == ["a", "b", "c"]


@pytest.mark.parametrize("log", ["usage", "poison"])
def test_prune_deletes_unread_logs_after_a_week(open_file, tmp_path, log) -> None:
    file = open_file()
    file.write([Append(log, "old", "{}"), Append(log, "young", "{}")])
    with sqlite3.connect(tmp_path / "logs.sqlite") as other:
        other.execute("update records set at = ? where key = 'old'", (time.time() - RETENTION_S - 1,))
    other.close()
    file.prune()
    assert keys(file, log) == ["young"]


def test_offset_is_never_reused(open_file, tmp_path) -> None:
    file = open_file()
    file.write([Append("tasks", "a", "{}")])
    [last] = file.read("tasks", 0, 100)
    file.write([Commit("tasks", last.offset)])
    with sqlite3.connect(tmp_path / "logs.sqlite") as other:
        other.execute("update records set at = 0")
    other.close()
    again = open_file()
    again.prune()
    again.write([Append("tasks", "b", "{}")])
    assert [record.key for record in again.read("tasks", again.committed("tasks"), 100)] == ["b"]


def test_new_file_may_be_opened_by_many_at_once(tmp_path) -> None:
    """Roles that start together open the file concurrently."""
    failures = []
    for number in range(40):
        together = threading.Barrier(6)

        def open_and_write(path=tmp_path / f"logs-{number}.sqlite", together=together) -> None:
            together.wait()
            try:
                file = LogFile(path, lock_timeout_s=5)
                file.write([Append("tasks", "a", "{}")])
                file.close()
            except sqlite3.Error as error:
                failures.append(error)

        threads = [threading.Thread(target=open_and_write) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
