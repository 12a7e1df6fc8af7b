from __future__ import annotations

import asyncio
import json
import logging
import time

import pytest

from server.observability.logs import JsonLines, about
from server.task import Task
from server.tasks.submission import Submission, submit
from tests.support.attempts import leased, new_attempt

SECRET = "a secret lighthouse"


class RecordingHandler(logging.Handler):
    """Collects the lines as they would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.lines: list[dict[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def handler():
    recorder, root = RecordingHandler(), logging.getLogger()
    level = root.level
    root.addHandler(recorder)
    root.setLevel(logging.INFO)
    yield recorder
    root.removeHandler(recorder)
    root.setLevel(level)


async def test_lines_have_their_task_and_attempt_with_concurrent_tasks(handler: RecordingHandler) -> None:
    log = logging.getLogger("test")

    async def work(task_id: str) -> None:
        with about(task=task_id):
            await asyncio.sleep(0)
            with about(attempt=f"{task_id}-1"):
                log.info("in")
            log.info("out")

    await asyncio.gather(work("a"), work("b"))
    log.info("after")
    entries = [(line["message"], line.get("task"), line.get("attempt")) for line in handler.lines]
    assert sorted(entries[:4]) == [("in", "a", "a-1"), ("in", "b", "b-1"), ("out", "a", None), ("out", "b", None)]
    assert entries[4] == ("after", None, None)


async def test_traceback_does_not_repeat_user_input(handler: RecordingHandler, services) -> None:
    task = Task(id="0" * 32, type="txt2img.sd", params={"text": [SECRET]}, tenant="a", created_at=time.time())
    await new_attempt(services, await leased(services, task)).run()
    [traceback] = [line["traceback"] for line in handler.lines if "traceback" in line]
    assert "ValidationError" in traceback
    assert SECRET not in json.dumps(handler.lines)


@pytest.mark.parametrize(("overrides", "logged"), [({}, False), ({"log_prompts": True}, True)])
async def test_prompts_are_logged_only_if_enabled(handler: RecordingHandler, services, logged: bool) -> None:
    view = await submit(services, Submission("txt2img.sd", {"text": SECRET}, tenant="acme"))
    accepted = [line for line in handler.lines if line["message"].startswith("accepted")]
    assert [(line["task"], line["tenant"]) for line in accepted] == [(view.task.id, "acme")]
    assert (SECRET in json.dumps(handler.lines)) is logged
