"""What the child process that owns a device does where its surroundings are not as told."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.worker.device_main import _compilation


def test_a_folder_that_cannot_be_had_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    assert _compilation(tmp_path / "file" / "packages") is None
    assert "HUA_COMPILE names a folder that is not there and cannot be made; nothing is compiled" in caplog.text
    assert _compilation(None) is None
    assert _compilation(tmp_path / "deep" / "packages") is not None
