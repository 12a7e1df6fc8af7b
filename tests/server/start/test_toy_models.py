"""Toy models are built only if there are no others; the build reports progress and can be stopped."""

import asyncio
import logging
import os
from pathlib import Path

import pytest

from server.settings import Settings, SettingsError
from server.start.toy_models import ensure_models, words
from tests.support.tools import until

BUILDER = "tests.support.toy_builder"


@pytest.fixture(autouse=True)
def _no_models_dir(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HUA_MODELS_DIR", raising=False)


async def test_progress_of_the_build_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await ensure_models(Settings(data_dir=tmp_path), BUILDER)
    first, *progress, last = caplog.messages
    assert f"no models in {tmp_path / 'models'}" in first
    assert progress == ["toy models: 1/2 toy-sd1", "toy models: 2/2 models.yaml"]
    assert last.startswith("built the toy models")


async def test_nothing_is_built_where_models_are(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "models.yaml").write_text("models: []")
    await ensure_models(Settings(data_dir=tmp_path), BUILDER)
    await ensure_models(Settings(data_dir=tmp_path, models_dir=tmp_path / "empty"), BUILDER)
    assert not caplog.messages


async def test_failed_build_is_explained_with_its_last_line(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"cannot be built in .*fails/models \(no space left\); check that its disk"
    ):
        await ensure_models(Settings(data_dir=tmp_path / "fails"), BUILDER)


async def test_canceled_build_ends_its_process(tmp_path: Path) -> None:
    building = asyncio.create_task(ensure_models(Settings(data_dir=tmp_path / "hangs"), BUILDER))
    file = tmp_path / "hangs.pid"
    while not (file.exists() and file.read_text()):
        await asyncio.sleep(0.01)
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    until(lambda: has_ended(int(file.read_text())))


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits for its parent."""
    try:
        os.waitpid(pid, os.WNOHANG)
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except (ChildProcessError, FileNotFoundError):
        return True


def test_words_are_those_of_the_toy_world() -> None:
    assert all(word in words() for word in ("house", "purple", "by the sea", '"a red house on the grass"'))
