"""What the tests of the worker share."""

import pytest

from server.broker import RecordTooLargeError
from server.task import Outcome, Status
from tests.support.attempts import RecordingBroker


class NarrowBroker(RecordingBroker):
    """A log that accepts no successful outcome, for its size."""

    async def publish_outcome(self, outcome: Outcome) -> None:
        if outcome.status is Status.SUCCEEDED:
            raise RecordTooLargeError("3 bytes are too many for one record; send at most 2")
        await super().publish_outcome(outcome)


@pytest.fixture
def narrow() -> NarrowBroker:
    return NarrowBroker()
