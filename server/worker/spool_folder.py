"""A worker's folder for results that wait on disk, locked as long as the worker's process lives."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import ValidationError

from models.atomic_write import replacing
from server.task import Outcome

log = logging.getLogger(__name__)
LOCK, OUTCOME = "lock", ".outcome"


class SpoolFolder:
    """Images by their keys, and outcomes by their attempts."""

    def __init__(self, folder: Path, lock: FileLock) -> None:
        self._folder = folder
        self._lock = lock

    @classmethod
    def try_acquire(cls, folder: Path) -> SpoolFolder | None:
        """None if another worker that is alive has it. Raises OSError."""
        # The kernel frees a flock when its process ends, however it ends; a soft lock would outlive a killed worker.
        # A lock of a thread could not be released from another one.
        lock = FileLock(folder / LOCK, thread_local=False, fallback_to_soft=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return None
        return cls(folder, lock)

    def put(self, name: str, data: bytes) -> None:
        """Writes the whole file, or nothing if it fails."""
        file = self._folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as draft:
            draft.write_bytes(data)

    def get(self, name: str) -> bytes | None:
        with contextlib.suppress(FileNotFoundError):
            return (self._folder / name).read_bytes()
        return None

    def drop(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)

    def outcomes(self) -> Iterator[Outcome]:
        """All outcomes in the folder; files that this version cannot read are skipped."""
        for file in sorted(self._folder.glob(f"*{OUTCOME}")):
            try:
                yield Outcome.model_validate_json(file.read_bytes())
            except ValidationError:
                log.error("%s is not an outcome that this version can read; it is ignored", file)

    def clear(self) -> None:
        """Deletes the folder and everything in it."""
        shutil.rmtree(self._folder, ignore_errors=True)
        self.release()

    def release(self) -> None:
        """Leaves the folder, with everything in it, to the next worker."""
        self._lock.release()
