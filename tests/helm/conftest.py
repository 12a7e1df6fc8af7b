"""What tests of the chart share."""

from pathlib import Path

import pytest

from tests.helm.chart import PROGRAMS, program
from tests.support.tools import installed


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds helm and kubeconform, and installs promtool, before the first test: it may take longer than a test may."""
    if any(Path(__file__).parent in item.path.parents for item in session.items):
        for name in PROGRAMS:
            program(name)
        installed("promtool", "prometheus")
