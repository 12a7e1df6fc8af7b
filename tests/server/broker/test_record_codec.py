import logging

import pytest

from server.broker.record_codec import parse_record
from server.task import Task


def test_parse_record_returns_the_model(make_task) -> None:
    task = make_task()
    assert parse_record("tasks", "0:1", task.id, task.model_dump_json(), Task) == task


@pytest.mark.parametrize("value", ["", "no json", '{"id": "x", "params": "a secret prompt"}'])
def test_unreadable_record_is_logged_without_its_contents(value: str, caplog) -> None:
    with caplog.at_level(logging.ERROR):
        assert parse_record("tasks", "0:7", "task-1", value, Task) is None
    assert "record 0:7 of tasks (task task-1) cannot be read and is skipped" in caplog.text
    assert "secret" not in caplog.text
