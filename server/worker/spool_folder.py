"""A folder of one worker, for what waits on the disk; held by a lock that ends with the worker, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from models.atomic_write import replacing
from server.task import Outcome

log = logging.getLogger(__name__)
LOCK, OUTCOME = "lock", ".outcome"


class SpoolFolder:
    """Images by their keys, and outcomes by their attempts."""

    def __init__(self, folder: Path, lock: int) -> None:
        self._folder = folder
        self._lock = lock

    @classmethod
    def taken(cls, folder: Path) -> SpoolFolder | None:
        """The shelf in this folder; None if a worker that lives has it."""
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        return cls(folder, lock)

    def put(self, name: str, data: bytes) -> None:
        """Whole or not at all."""
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
        """Those that were kept; of a version that cannot be read, none."""
        for file in sorted(self._folder.glob(f"*{OUTCOME}")):
            try:
                yield Outcome.model_validate_json(file.read_bytes())
            except ValidationError:
                log.error("%s is no outcome and is ignored", file)

    def clear(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        self.let_go()

    def let_go(self) -> None:
        """As it is, to whoever takes it next."""
        os.close(self._lock)
