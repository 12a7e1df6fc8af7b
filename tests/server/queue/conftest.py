import itertools

import pytest

from server.task import Manifest, Outcome, Status, Task


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_task():
    """Tasks that differ in their ids and times."""
    numbers = itertools.count()

    def make(tenant="t", **fields) -> Task:
        number = next(numbers)
        plain = {"id": f"{number:032x}", "type": "txt2img.sd", "params": {}, "created_at": float(number)}
        return Task(**plain | {"tenant": tenant} | fields)

    return make


@pytest.fixture
def make_manifest():
    def make(task: Task, status: Status = Status.SUCCEEDED, **fields) -> Manifest:
        outcome = Outcome(task=task, attempt="a", status=status, finished_at=2000.0, **fields)
        return Manifest(outcome=outcome, expires_at=3000.0)

    return make
