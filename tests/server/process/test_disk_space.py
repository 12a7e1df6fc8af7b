import os
from pathlib import Path

import pytest

from server.process import disk_space


def test_disk_with_room_is_fine_also_for_a_folder_that_does_not_exist_yet(tmp_path: Path) -> None:
    disk_space.check_disk_space(tmp_path / "not" / "yet")


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(OSError, match=r"its disk has \d+ KiB left"):
        disk_space.check_disk_space(tmp_path)


def test_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(OSError, match="is not writable"):
        disk_space.check_disk_space(tmp_path)


def test_read_only_disk() -> None:
    """A pseudo file system: nothing can be written there, whoever asks."""
    with pytest.raises(OSError, match="its disk"):
        disk_space.check_disk_space(Path("/proc"))
