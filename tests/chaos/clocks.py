"""Sets clocks: the wall clock of one role is hours off or jumps while it runs; its monotonic clock goes on.

`time.time` of a process is shifted by the value in a small file that it maps into memory, so that a writer of
there sets the clock at once. A role that is started again finds the clock as it was.
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

OFF_S = 3900.0
"""More than an hour, the limit up to which Kafka accepts records from the future."""
_OFFSET = struct.Struct("d")


class WallClock:
    """Replaces `time.time`."""

    def __init__(self) -> None:
        self._right = time.time
        self._offset: mmap.mmap | None = None

    def __call__(self) -> float:
        return self._right() + (_OFFSET.unpack_from(self._offset)[0] if self._offset else 0.0)

    def follow(self, file: Path) -> None:
        """Shifts the clock of this process by the value in `file`."""
        if not file.exists():
            file.write_bytes(_OFFSET.pack(0.0))
        with file.open("r+b") as opened:
            self._offset = mmap.mmap(opened.fileno(), _OFFSET.size)


def install() -> WallClock:
    """Applies to this process and its forks. Call it before importing modules that copy `time.time`."""
    clock = WallClock()
    time.time = clock
    return clock


def put_off(file: Path, seconds: float) -> None:
    """Sets the clock of the processes that follow `file`."""
    with file.open("r+b") as opened:
        opened.write(_OFFSET.pack(seconds))
