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


def test_each_dialect_is_discovered_once():
    names = [dialect.name for dialect in every()]
    assert "nolibox" in names
    assert len(names) == len(set(names))


@pytest.mark.parametrize("dialect", ["hua", *(dialect.name for dialect in every())])
def test_callback_has_the_same_bytes_every_time(dialect):
    canceled = manifest(Callback(url="http://x", dialect=dialect))
    assert callback_bytes(canceled, LINKS) == callback_bytes(canceled, LINKS)
    assert json.loads(callback_bytes(canceled, LINKS))


def test_callback_of_hua_is_the_task_as_the_api_returns_it():
    body = json.loads(callback_bytes(manifest(Callback(url="http://x")), LINKS))
    assert (body["id"], body["status"], body["params"]) == ("b" * 32, "canceled", {"text": "画"})


def test_callback_in_a_removed_dialect_uses_the_format_of_hua():
    old = manifest(Callback(url="http://x", dialect="gone"))
    assert callback_bytes(old, LINKS) == callback_bytes(manifest(Callback(url="http://x")), LINKS)
