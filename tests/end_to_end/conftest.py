"""What the end-to-end tests share: running services, and a receiver of callbacks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.callback_receiver import CallbackReceiver
from tests.support.docs import shell_blocks
from tests.support.running_service import RunningService


@pytest.fixture(scope="package")
def own_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second models folder of the service, empty at first."""
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="package")
def service(tmp_path_factory: pytest.TempPathFactory, models_dir: Path, own_models: Path) -> Iterator[RunningService]:
    """One for all tests that leave it as it was: each start takes 13 s of CPU."""
    folders = f"{models_dir}{os.pathsep}{own_models}"
    with closing(RunningService(tmp_path_factory.mktemp("serve") / "data", folders)) as service:
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the images that the examples of the docs upload."""
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "picture.png")
    Image.fromarray(np.eye(4, dtype=np.uint8) * 255).resize((64, 64), 0).save(tmp_path / "mask.png")
    hole = np.full((64, 64, 4), 255, np.uint8)
    hole[:32, 32:, 3] = 0
    Image.fromarray(hole).save(tmp_path / "hole.png")
    return tmp_path


@pytest.fixture
def bench_report(service: RunningService, folder: Path) -> Path:
    """The report of the toy run that docs/sizing.md shows. A test that asks for it is in the slow suite.

    It measures the service that runs already: to start another takes as long as all the rest."""
    command = next(block for block in shell_blocks("sizing.md") if "--toy" in block)
    service.run_script(command.rstrip() + f" --url http://127.0.0.1:{service.port}", folder)
    return folder / "report"
