from pathlib import Path

import pytest

from server.process import disk_space
from server.process.data_folder import check_data_folder, lock_data_folder
from server.settings import Settings, SettingsError


def test_missing_folder_is_created(tmp_path: Path) -> None:
    check_data_folder(Settings(data_dir=tmp_path / "new" / "data"))
    assert (tmp_path / "new" / "data").is_dir()


def test_full_disk_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_space, "LEAST_FREE_BYTES", 1 << 62)
    with pytest.raises(SettingsError, match=r"HUA_DATA_DIR=.* \(its disk has \d+ KiB left\); .*a disk with room"):
        check_data_folder(Settings(data_dir=tmp_path))


def test_read_only_disk_is_reported() -> None:
    with pytest.raises(SettingsError, match="HUA_DATA_DIR=/proc/hua cannot be used"):
        check_data_folder(Settings(data_dir=Path("/proc/hua")))


def test_folder_in_which_nothing_is_kept_is_left_alone() -> None:
    """On Kubernetes the root disk is read-only, and logs and images are elsewhere."""
    settings = Settings(data_dir=Path("/proc/hua"), broker="kafka://a:9092", bucket="s3://b", secret="s")
    check_data_folder(settings)


def test_lock_that_is_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "lock").mkdir()
    with pytest.raises(SettingsError, match=r"lock: Is a directory"), lock_data_folder(Settings(data_dir=tmp_path)):
        pass


def test_folder_is_locked_once(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    refused = pytest.raises(SettingsError, match="another `hua serve`")
    with lock_data_folder(settings), refused, lock_data_folder(settings):
        pass
    with lock_data_folder(settings):
        pass
