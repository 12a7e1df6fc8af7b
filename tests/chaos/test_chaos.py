"""Under all faults at once nothing is lost and nothing ends twice; and the checker notices if it does."""

from collections.abc import Callable

import pytest

from tests.chaos.faults import Counts
from tests.chaos.mutants import MUTANTS, plan
from tests.chaos.run import Plan, Verdict
from tests.chaos.trials import TRIES, accused

SHORT = Plan(
    seed=7,
    tasks=120,
    horizon_s=18,
    poison=2,
    counts=Counts(
        worker_kills=10,
        worker_pauses=3,
        worker_drains=2,
        device_kills=2,
        controller_kills=3,
        controller_pauses=1,
        api_kills=1,
        redis_kills=1,
        redis_stale=1,
        flushes=1,
        broker_kills=1,
        s3_outages=1,
        repeats=6,
        clock_jumps=6,
    ),
)
QUICK = ("last_outcome_wins",)
"""The other mutants, some of which need luck, run by `make chaos-mutants`."""


@pytest.mark.timeout(240)
def test_all_invariants_hold_under_all_faults(chaos: Callable[[Plan], Verdict]) -> None:
    verdict = chaos(SHORT)
    assert not verdict.broken, str(verdict)
    assert verdict.numbers["tasks"] == SHORT.tasks
    assert verdict.numbers["ended"]["succeeded"] > SHORT.tasks / 2


@pytest.mark.usefixtures("chaos")
@pytest.mark.parametrize("name", QUICK)
def test_checker_catches_mutant(name: str) -> None:
    assert any(MUTANTS[name].caught in accused(plan(name, seed)) for seed in range(1, TRIES + 1))
