"""What tests of every house share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Before anybody imports torch: threads that spin while they wait slow a busy machine down several times over.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toys") / "models"
    subprocess.run([sys.executable, "-m", "models.toy", str(folder)], check=True)
    return folder
