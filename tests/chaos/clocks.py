"""Clocks that are set: the wall clock of one role is hours off, or jumps while it runs; its monotonic one goes on.

`time.time` of a process is shifted by what a small file says, which it maps into its memory, so that whoever writes
there sets the clock at once. A role that is started again finds the clock as it was.
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

OFF_S = 3900.0
"""More than an hour: that is the most by which Kafka lets a record come from the future."""
_OFFSET = struct.Struct("d")


class WallClock:
    """Stands in for `time.time`."""

    def __init__(self) -> None:
        self._right = time.time
        self._offset: mmap.mmap | None = None

    def __call__(self) -> float:
        return self._right() + (_OFFSET.unpack_from(self._offset)[0] if self._offset else 0.0)

    def follow(self, file: Path) -> None:
        """From now on this process is off by what `file` says."""
        if not file.exists():
            file.write_bytes(_OFFSET.pack(0.0))
        with file.open("r+b") as opened:
            self._offset = mmap.mmap(opened.fileno(), _OFFSET.size)


def install() -> WallClock:
    """For this process and all that it forks; before anything else is imported that takes `time.time` with it."""
    clock = WallClock()
    time.time = clock  # type: ignore[assignment]
    return clock


def put_off(file: Path, seconds: float) -> None:
    """Sets the clock of whoever follows `file`."""
    with file.open("r+b") as opened:
        opened.write(_OFFSET.pack(seconds))
