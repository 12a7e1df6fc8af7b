"""Whether a disk has room for what is written next."""

from __future__ import annotations

import os
from pathlib import Path

LEAST_FREE_BYTES = 4 << 20
"""SQLite's write-ahead log grows to this size before it is merged."""


def check_disk_space(folder: Path) -> None:
    """Raises OSError if the disk of `folder` is full or read-only, or if `folder` is not writable."""
    while not folder.exists():
        folder = folder.parent
    disk = os.statvfs(folder)
    free_bytes = disk.f_bavail * disk.f_frsize
    if disk.f_flag & os.ST_RDONLY:
        raise OSError("its disk is read-only")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OSError(f"{folder} is not writable")
    if free_bytes < LEAST_FREE_BYTES:
        raise OSError(f"its disk has {free_bytes >> 10} KiB left")
    if disk.f_files and not disk.f_favail:
        raise OSError("its disk has no inodes left")
