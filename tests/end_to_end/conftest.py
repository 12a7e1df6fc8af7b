"""What the end-to-end tests share: running services, and a receiver of callbacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.callback_receiver import CallbackReceiver
from tests.support.running_service import RunningService


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[RunningService]:
    """One for all tests that leave it as it was: each start takes 13 s of CPU."""
    with closing(RunningService(tmp_path_factory.mktemp("serve") / "data", models_dir)) as service:
        service.start()
        yield service


@pytest.fixture
def own_service(tmp_path: Path, models_dir: Path) -> Iterator[RunningService]:
    """One that a test may kill. It starts without a warm-up, which takes a third of a start."""
    with closing(RunningService(tmp_path / "data", models_dir, HUA_WARM_UP="false")) as service:
        service.start()
        yield service


@pytest.fixture
def callback_receiver() -> Iterator[CallbackReceiver]:
    with closing(CallbackReceiver()) as receiver:
        yield receiver
