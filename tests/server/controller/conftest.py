import inspect
import itertools

import pytest

from server.broker.sqlite.broker import SQLiteBroker
from server.queue.memory.queue import MemoryQueue
from server.storage.bucket import Bucket
from server.task import Image, Manifest, Outcome, Status, Task


@pytest.fixture
def make_task():
    """Makes tasks with different ids."""
    numbers = itertools.count()

    def make(**fields) -> Task:
        number = next(numbers)
        plain = {"id": f"{number:032x}", "type": "txt2img.sd", "params": {}, "tenant": "t", "created_at": float(number)}
        return Task(**plain | fields)

    return make


@pytest.fixture
def make_outcome():
    """Makes outcomes of different attempts; `keys` are those of the images."""
    numbers = itertools.count()

    def make(task: Task, status: Status = Status.SUCCEEDED, keys=(), **fields) -> Outcome:
        images = tuple(Image(key=key, width=8, height=8, bytes=1, sha256="") for key in keys)
        attempt = f"attempt-{next(numbers)}"
        plain = {"task": task, "attempt": attempt, "status": status, "images": images, "finished_at": 1_700_000_000.5}
        return Outcome(**plain | fields)

    return make


@pytest.fixture
def make_manifest(make_outcome):
    return lambda task, **fields: Manifest(outcome=make_outcome(task, **fields), expires_at=2_000_000_000.0)


@pytest.fixture
async def broker(tmp_path):
    broker = SQLiteBroker(tmp_path / "logs.sqlite")
    yield broker
    await broker.close()


@pytest.fixture
def bucket(tmp_path) -> Bucket:
    return Bucket.folder(tmp_path / "bucket")


@pytest.fixture
async def queue() -> MemoryQueue:
    return MemoryQueue()


class Fate:
    """Counts calls. From the call number `fatal` on, every call raises `error`, unless it is None."""

    def __init__(self, error: BaseException | None, fatal: int) -> None:
        self.error = error
        self.fatal = fatal
        self.calls = 0

    def meet(self) -> None:
        self.calls += 1
        if self.error is not None and self.calls >= self.fatal:
            raise self.error


class Fated:
    """Wraps a service. A call may fail, either just before it or just after it."""

    def __init__(self, service, fate: Fate) -> None:
        self._service = service
        self._fate = fate

    def __getattr__(self, name: str):
        method = getattr(self._service, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*arguments, **options):
            self._fate.meet()
            answer = await method(*arguments, **options)
            self._fate.meet()
            return answer

        return call


@pytest.fixture
def fated():
    """`fated(service, fate)` wraps a service, so that `fate` decides when its calls fail."""
    return Fated


@pytest.fixture
def new_fate():
    return Fate
