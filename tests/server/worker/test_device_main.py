"""The child process that owns a device, with settings that it cannot use."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.worker.device_main import open_compilation


def test_unusable_compile_folder_turns_compilation_off(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    assert open_compilation(tmp_path / "file" / "packages") is None
    assert "nothing is compiled, for the folder of HUA_COMPILE cannot be used" in caplog.text
    assert open_compilation(None) is None
    assert open_compilation(tmp_path / "deep" / "packages") is not None
