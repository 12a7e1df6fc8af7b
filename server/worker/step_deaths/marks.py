"""The names of a device process's latest steps, in a file that outlives it: a process that is killed sends nothing."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)
LATEST = 2
"""A device fails behind the launches: the error of a step may come when the next one has begun."""


class StepMarks:
    """Written by the device process. It writes only when the kind of step changes."""

    def __init__(self, file: Path) -> None:
        """Raises OSError if the file cannot be written."""
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        self._names: list[str] = []

    @classmethod
    def open(cls, file: Path) -> StepMarks | None:
        """None if the file cannot be written."""
        try:
            return cls(file)
        except OSError as error:
            log.warning("steps that end this process will not be known: %s", error)
            return None

    def begin(self, name: str) -> None:
        """To be called before a step."""
        if self._names[-1:] != [name]:
            self._names = [*(each for each in self._names if each != name), name][-LATEST:]
            self._write()

    def clear(self) -> None:
        """Steps are over, and their results have arrived."""
        if self._names:
            self._names = []
            self._write()

    def _write(self) -> None:
        with contextlib.suppress(OSError):  # a full disk must not end a step
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, "\n".join(self._names).encode(), 0)


def read_marks(file: Path) -> list[str]:
    """What a process had marked when it ended. Empty if there is no file."""
    try:
        return file.read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return []
