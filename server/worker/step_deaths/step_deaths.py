"""Which steps have ended device processes, so that the next process runs them plainly: without a CUDA graph, without a
compiled package, and alone.

They are counted in the data folder, so that a worker that is started again knows them. They count for a day and for the
same software: by then a faulty card or driver may have been replaced.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path

from models.atomic_write import replacing
from server.worker.step_deaths.marks import read_marks

log = logging.getLogger(__name__)
DEATHS_UNTIL_AVOIDED = 2
COUNTED_S = 24 * 3600.0
DRIVER = Path("/proc/driver/nvidia/version")


class StepDeaths:
    """The deaths of one device. Both processes read them, only the parent counts.

    folder: of this device.
    clock: unix time.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.marks = folder / "steps"
        self._file = folder / "deaths.json"
        self._clock = clock

    @classmethod
    def of_device(cls, data_dir: Path, device: str) -> StepDeaths:
        return cls(data_dir / "devices" / device.replace(":", "-"))

    @property
    def avoided(self) -> frozenset[str]:
        """Names of the steps that ended `DEATHS_UNTIL_AVOIDED` processes or more."""
        return frozenset(name for name, times in self._read().items() if len(times) >= DEATHS_UNTIL_AVOIDED)

    def count(self) -> None:
        """A device process has died: counts it against the steps that it had marked. Logs those that are avoided from
        now on."""
        names, deaths, before = read_marks(self.marks), self._read(), self.avoided
        if not names:
            return
        for name in names:
            deaths.setdefault(name, []).append(self._clock())
        try:
            self.marks.unlink(missing_ok=True)
            with replacing(self._file) as draft:
                draft.write_text(json.dumps({"software": _software(), "deaths": deaths}))
        except OSError as error:
            log.warning("deaths of device processes cannot be counted: %s", error)
            return
        for name in self.avoided - before:
            log.error(
                "step %s has ended %d device processes; for a day it runs without CUDA graph and package, and alone. "
                "Delete %s to have it tried again at the next start",
                *(name, DEATHS_UNTIL_AVOIDED, self._file),
            )

    def _read(self) -> dict[str, list[float]]:
        """Times of the deaths that count, by step."""
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            if content["software"] != _software():
                return {}
            since = self._clock() - COUNTED_S
            return {name: [each for each in times if each > since] for name, times in content["deaths"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}


def _software() -> str:
    """What a death may be due to."""
    found: list[str] = []
    for package in ("hua", "torch", "diffusers"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(importlib.metadata.version(package))
    with contextlib.suppress(OSError):
        found.append(DRIVER.read_text(encoding="utf-8"))
    return " ".join(found)
