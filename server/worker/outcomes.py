"""The outcomes that an attempt can end with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from server.queue import Lease
from server.task import Failure, Image, Outcome, Status
from server.worker.stage_times import StageTimes


class Outcomes:
    """Creates the outcome of an attempt that starts now. `clock` is unix time."""

    def __init__(self, lease: Lease, clock: Callable[[], float], times: StageTimes) -> None:
        self._lease, self._clock, self._times = lease, clock, times
        self.started_at = clock()

    def succeeded(
        self, images: tuple[Image, ...], answer: Mapping[str, Any] | None, warnings: Sequence[str] = ()
    ) -> Outcome:
        return self._new(Status.SUCCEEDED, images, answer, warnings=warnings)

    def failed(self, code: str, message: str) -> Outcome:
        return self._new(Status.FAILED, failure=Failure(code=code, message=message))

    def bug(self, error: Exception) -> Outcome:
        return self.failed("internal", f"{type(error).__name__}; see the server's log for details")

    def _new(
        self,
        status: Status,
        images: tuple[Image, ...] = (),
        answer: Mapping[str, Any] | None = None,
        failure: Failure | None = None,
        warnings: Sequence[str] = (),
    ) -> Outcome:
        return Outcome(
            task=self._lease.task,
            attempt=self._lease.token,
            status=status,
            worker=self._lease.worker,
            images=images,
            answer=None if answer is None else dict(answer),
            failure=failure,
            warnings=tuple(warnings),
            started_at=self.started_at,
            finished_at=self._clock(),
            timings=self._times.by_stage,
        )
