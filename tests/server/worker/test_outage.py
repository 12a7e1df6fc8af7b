"""Calls are repeated while a service is away, and not after the lease is lost."""

import pytest

from server.worker import outage
from server.worker.outage import LeaseLostError, retry_while_leased


class AwayError(Exception): ...


class Service:
    """Fails `failures` times, then answers with the number of calls."""

    def __init__(self, failures: int) -> None:
        self.failures, self.calls = failures, 0

    async def call(self) -> int:
        self.calls += 1
        if self.calls <= self.failures:
            raise AwayError("away")
        return self.calls


async def test_call_is_repeated_until_it_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    assert await retry_while_leased(Service(1).call, lambda: False, (AwayError,), "the image") == 2
    assert "the image waits: away" in caplog.text


async def test_call_is_not_repeated_after_the_lease_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outage, "FIRST_PAUSE_S", 0.0)
    service = Service(100)
    with pytest.raises(LeaseLostError):
        await retry_while_leased(service.call, lambda: service.calls == 3, (AwayError,), "the image")
    assert service.calls == 3


async def test_other_errors_are_raised() -> None:
    with pytest.raises(AwayError):
        await retry_while_leased(Service(1).call, lambda: False, (ValueError,), "the image")
