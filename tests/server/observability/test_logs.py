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

SECRET = "a lighthouse that nobody may read of"


class Kept(logging.Handler):
    """Keeps lines as they would be written."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(JsonLines())
        self.lines: list[dict[str, str]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(json.loads(self.format(record)))


@pytest.fixture
def kept():
    handler, root = Kept(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.removeHandler(handler)
    root.setLevel(level)


async def test_lines_say_what_they_are_about_though_tasks_take_turns(kept: Kept) -> None:
    log = logging.getLogger("test")

    async def work(task_id: str) -> None:
        with about(task=task_id):
            await asyncio.sleep(0)
            with about(attempt=f"{task_id}-1"):
                log.info("in")
            log.info("out")

    await asyncio.gather(work("a"), work("b"))
    log.info("after")
    told = [(line["message"], line.get("task"), line.get("attempt")) for line in kept.lines]
    assert sorted(told[:4]) == [("in", "a", "a-1"), ("in", "b", "b-1"), ("out", "a", None), ("out", "b", None)]
    assert told[4] == ("after", None, None)


async def test_a_traceback_does_not_repeat_what_a_user_wrote(kept: Kept, services) -> None:
    task = Task(id="0" * 32, type="txt2img.sd", params={"text": [SECRET]}, tenant="a", created_at=time.time())
    await new_attempt(services, await leased(services, task)).run(None)
    [traceback] = [line["traceback"] for line in kept.lines if "traceback" in line]
    assert "ValidationError" in traceback
    assert SECRET not in json.dumps(kept.lines)


@pytest.mark.parametrize(("overrides", "told"), [({}, False), ({"log_prompts": True}, True)])
async def test_prompts_are_logged_only_where_that_is_asked_for(kept: Kept, services, told: bool) -> None:
    view = await submit(services, Submission("txt2img.sd", {"text": SECRET}, tenant="acme"))
    accepted = [line for line in kept.lines if line["message"].startswith("accepted")]
    assert [(line["task"], line["tenant"]) for line in accepted] == [(view.task.id, "acme")]
    assert (SECRET in json.dumps(kept.lines)) is told
