"""The folder HUA_DATA_DIR: whether this role can use it, and the lock of the controller that does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from filelock import FileLock, Timeout

from server.process.disk_space import check_disk_space
from server.settings import Settings, SettingsError


def check_data_folder(settings: Settings) -> None:
    """Creates it if something is kept in it. Raises SettingsError if it is full, read-only or no folder."""
    if not (settings.broker == "sqlite://" or settings.bucket == "file://" or not settings.secret):
        return
    with _explained(settings):
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        check_disk_space(settings.data_dir)


@contextlib.contextmanager
def lock_data_folder(settings: Settings) -> Iterator[None]:
    """Two controllers on one folder would each feed every task of its logs to their own queues."""
    lock = FileLock(settings.data_dir / "lock", blocking=False)
    try:
        with _explained(settings):
            settings.data_dir.mkdir(parents=True, exist_ok=True)
            lock.acquire()
    except Timeout as error:
        raise SettingsError(
            f"another `hua serve` or `hua controller` uses HUA_DATA_DIR={settings.data_dir}; "
            "stop it, or set another folder"
        ) from error
    with lock:
        yield


@contextlib.contextmanager
def _explained(settings: Settings) -> Iterator[None]:
    try:
        yield
    except Timeout:
        raise
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise SettingsError(
            f"HUA_DATA_DIR={settings.data_dir} cannot be used ({reason}); "
            "set it to a folder that this user may write, on a disk with room"
        ) from error
