"""The SHA-256 of model files: the name that model sites and other programs give to a file.

To read a checkpoint takes seconds, so a hash is computed once. It is kept in a file that several processes share, and
is valid as long as path, size and time of the model's file stay the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import struct
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from models.atomic_write import replacing
from models.catalog.checksums import ChecksumError, unchanged_digests
from models.plain_files import open_plain

FILE = "model-hashes.json"
"""In the data folder."""
AUTO_V2, AUTO_V3 = 10, 12
"""Digits that programs show of a hash: A1111 of a file, kohya's trainer of the tensors of a LoRA."""
_CHUNK_BYTES = 8 << 20
_SAVE_EVERY_S = 5.0

log = logging.getLogger(__name__)


class FileHash(NamedTuple):
    sha256: str
    """Of the file, as 64 hex digits."""
    tensors: str = ""
    """Of what follows the header of a safetensors file, which stays the same if metadata change; "" if not computed."""

    def begins_with(self, digits: str) -> bool:
        return self.sha256.startswith(digits) or self.tensors.startswith(digits)


class _Known(NamedTuple):
    size: int
    mtime_ns: int
    hash: FileHash


class FileHashes:
    """The hashes that are known. One thread may call `learn` while others read."""

    def __init__(self, file: Path | None = None) -> None:
        """`file` keeps the hashes; None: they are forgotten when the process ends."""
        self._file = file
        self._known: Mapping[Path, _Known] = {}
        self._saved_at = 0.0
        self.pending = 0
        """Files that `learn` has still to read."""

    def of(self, file: Path) -> FileHash | None:
        """None if it is not known, or the file has changed since."""
        known = self._known.get(file)
        return known.hash if known is not None and known[:2] == _stamp(file) else None

    def adopt(self, folders: Iterable[Path]) -> None:
        """Takes what an earlier process has computed, and what the SHA256SUMS of the models folders list."""
        kept = _read(self._file) if self._file else {}
        known = {**self._known, **{file: each for file, each in kept.items() if self.of(file) is None}}
        for folder in folders:
            with contextlib.suppress(ChecksumError):
                for file, digest in unchanged_digests(folder).items():
                    if (stamp := _stamp(file)) and (file not in known or known[file].hash.sha256 != digest):
                        known[file] = _Known(*stamp, FileHash(digest))
        self._known = known

    def learn(self, files: Collection[Path], folders: Iterable[Path], should_stop: Callable[[], bool]) -> None:
        """Computes the hashes of these files that are not known, small files first, until `should_stop`.

        While another process does the same, only adopts what it has found so far.
        """
        self.adopt(folders)
        with self._turn() as granted:
            missing = sorted((file for file in files if self.of(file) is None), key=_size) if granted else []
            for index, file in enumerate(missing):
                self.pending = len(missing) - index
                stamp, found = _stamp(file), compute(file, should_stop)
                if should_stop():
                    break
                if stamp is not None and found is not None:
                    self._known = {**self._known, file: _Known(*stamp, found)}
                    self._save(files, _SAVE_EVERY_S)
            if missing:
                self._save(files)
        self.pending = 0

    @contextlib.contextmanager
    def _turn(self) -> Iterator[bool]:
        """Whether this process may read the files now: two that read terabytes would only slow each other down."""
        with contextlib.ExitStack() as stack:
            if self._file is not None:
                try:
                    self._file.parent.mkdir(parents=True, exist_ok=True)
                    stack.enter_context(FileLock(f"{self._file}.lock", blocking=False))
                except Timeout:
                    yield False
                    return
                except OSError:
                    pass  # the folder cannot be written, so nothing is shared
            yield True

    def _save(self, files: Collection[Path], every_s: float = 0.0) -> None:
        """Keeps the hashes of these files; those of others are not needed any more."""
        if self._file is None or time.monotonic() - self._saved_at < every_s:
            return
        self._saved_at = time.monotonic()
        rows = [[str(file), *known[:2], *known.hash] for file, known in self._known.items() if file in set(files)]
        try:
            with replacing(self._file) as draft:
                draft.write_text(json.dumps(rows), encoding="utf-8")
        except OSError as error:
            log.warning("the hashes of models cannot be kept in %s: %s", self._file, error)


def compute(file: Path, should_stop: Callable[[], bool] = lambda: False) -> FileHash | None:
    """Reads the whole file; None if it cannot be read, or at `should_stop`."""
    whole, tensors = hashlib.sha256(), hashlib.sha256()
    try:
        with open_plain(file) as content:
            start = content.read(8)
            has_header = file.suffix.lower() == ".safetensors" and len(start) == 8
            header = content.read(min(struct.unpack("<Q", start)[0], 100 << 20)) if has_header else b""
            whole.update(start + header)
            while chunk := content.read(_CHUNK_BYTES):
                if should_stop():
                    return None
                whole.update(chunk)
                if has_header:
                    tensors.update(chunk)
    except OSError:
        return None
    return FileHash(whole.hexdigest(), tensors.hexdigest() if has_header else "")


def _read(file: Path) -> dict[Path, _Known]:
    """Nothing if there is no such file, or another program wrote it."""
    try:
        rows = json.loads(file.read_text(encoding="utf-8"))
        return {Path(path): _Known(size, time_ns, FileHash(*found)) for path, size, time_ns, *found in rows}
    except (OSError, ValueError, TypeError, RecursionError):
        return {}


def _stamp(file: Path) -> tuple[int, int] | None:
    """Size and time of a file; None if there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _size(file: Path) -> int:
    return (_stamp(file) or (0, 0))[0]
