"""What tests of every house share."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toys") / "models"
    subprocess.run([sys.executable, "-m", "models.toy", str(folder)], check=True)
    return folder
