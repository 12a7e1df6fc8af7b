"""How long steps take on the device, measured without making it wait."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from models.device_faults import raise_if_lost
from models.files.weights_error import one_line

log = logging.getLogger(__name__)

Report = Callable[[float], None]
"""Receives the seconds of a step."""


class StepClock:
    """Times steps.

    CUDA runs behind the launches, so the time of a step is reported after the next one is launched. The wait for
    it also keeps launches from running more than one step ahead of progress reports and aborts.
    """

    def __init__(self) -> None:
        self._pending: tuple[torch.Event, torch.Event, Report] | None = None

    @contextmanager
    def timed(self, device: torch.device, report: Report) -> Iterator[None]:
        """Reports how long the body takes on `device`, unless it raises. Raises DeviceLostError."""
        if device.type != "cuda":
            started = time.perf_counter()
            yield
            report(time.perf_counter() - started)
            return
        start, end = (torch.Event(device, enable_timing=True) for _ in range(2))
        start.record()
        yield
        end.record()
        self._report_pending()
        self._pending = (start, end, report)

    def _report_pending(self) -> None:
        pending, self._pending = self._pending, None
        if pending is None:
            return
        start, end, report = pending
        try:
            end.synchronize()
            seconds = start.elapsed_time(end) / 1000
        except RuntimeError as error:
            raise_if_lost(error)  # an earlier step has failed
            log.warning("a step was not timed: %s", one_line(error))
            return
        report(seconds)
