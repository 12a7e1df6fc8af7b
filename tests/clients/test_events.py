import json

import pytest
from hua_client import Ended, Preview, Progress, Queued, Running
from hua_client.events import EventParser

TASK = {"id": "1", "params": {"text": "line separator: \u2028 画"}}
STREAM = (
    'event: queued\ndata: {"position": null, "reason": "no worker has it"}\n\n'
    ": ping\n\n"
    "event: running\r\ndata: {}\r\n\r\n"
    "event: later\ndata: {}\n\n"
    'event: progress\ndata: {"step": 1, "steps": 2}\n\n'
    'event: preview\ndata: {"jpeg": "aGk="}\n\n'
    f"event: succeeded\ndata: {json.dumps(TASK, ensure_ascii=False)}\n\n"
).encode()


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_events_are_read_however_they_are_cut(size):
    parser = EventParser()
    parts = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
    assert [event for part in parts for event in parser.feed(part)] == [
        Queued(None, "no worker has it"),
        Running(),
        Progress(1, 2),
        Preview(b"hi"),
        Ended("succeeded", TASK),
    ]
