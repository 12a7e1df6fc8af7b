"""What tests of the chart need built or installed."""

from pathlib import Path

import pytest

from tests.helm.chart import build_programs
from tests.support.tools import installed


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds and installs before the first test: that may take longer than the time limit of a test."""
    if any(Path(__file__).parent in item.path.parents for item in session.items):
        build_programs()
        installed("promtool", "prometheus")
