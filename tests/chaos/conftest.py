"""What tests of whole runs share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.run import Plan, Verdict, carry_out


@pytest.fixture
def chaos(tmp_path: Path) -> Callable[[Plan], Verdict]:
    """Carries out a plan with real servers and real processes. A test that asks for it is in the slow suite."""
    return lambda plan: carry_out(plan, tmp_path)
