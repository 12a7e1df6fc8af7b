import json

import pytest

from server.api.dialects import callback_bytes, every
from server.storage.signed_links import Links
from server.task import Callback, Manifest, Outcome, Status, Task

LINKS = Links(b"secret", "http://hua")


def manifest(callback: Callback) -> Manifest:
    task = Task(id="b" * 32, type="txt2img.sd", params={"text": "画"}, tenant="t", created_at=1.0, callback=callback)
    outcome = Outcome(task=task, attempt="a", status=Status.CANCELED, finished_at=2.0)
    return Manifest(outcome=outcome, expires_at=3.0)


def test_every_dialect_is_found_once():
    names = [dialect.name for dialect in every()]
    assert "nolibox" in names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("dialect", ["hua", *(dialect.name for dialect in every())])
def test_a_callback_is_the_same_bytes_every_time(dialect):
    canceled = manifest(Callback(url="http://x", dialect=dialect))
    assert callback_bytes(canceled, LINKS) == callback_bytes(canceled, LINKS)
    assert json.loads(callback_bytes(canceled, LINKS))


def test_our_own_callback_is_the_task_as_it_is_asked_for():
    body = json.loads(callback_bytes(manifest(Callback(url="http://x")), LINKS))
    assert (body["id"], body["status"], body["params"]) == ("b" * 32, "canceled", {"text": "画"})


def test_a_dialect_that_is_spoken_no_more_falls_back_to_ours():
    old = manifest(Callback(url="http://x", dialect="gone"))
    assert callback_bytes(old, LINKS) == callback_bytes(manifest(Callback(url="http://x")), LINKS)
