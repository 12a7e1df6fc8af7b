import itertools

import pytest

from server.task import Outcome, Status, Task
from tests.support.kafka_server import KafkaServer


@pytest.fixture(scope="session")
def own_kafka(tmp_path_factory):
    """A Kafka that a test may stop, if it starts it again."""
    server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make_task():
    """Makes tasks with different ids."""
    numbers = itertools.count()

    def make(**fields) -> Task:
        number = next(numbers)
        plain = {
            "id": f"{number:032x}",
            "type": "txt2img.sd",
            "params": {"text": "画"},
            "tenant": "t",
            "created_at": 0.5,
        }
        return Task(**plain | fields)

    return make


@pytest.fixture
def make_outcome():
    def make(task: Task, **fields) -> Outcome:
        return Outcome(**{"task": task, "attempt": "a", "status": Status.SUCCEEDED, "finished_at": 1.25} | fields)

    return make
