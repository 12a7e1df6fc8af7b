"""Tests the checker: it must accuse wrong versions, and must not accuse the right one under the same faults.

When a fault strikes is a matter of luck beside the seed, so a wrong version may behave well for once; it is tried again
with the next seed, a few times at most.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.mutants import MUTANTS, plan
from tests.chaos.run import Plan, carry_out

TRIES = 5


@dataclass(frozen=True, slots=True)
class Trial:
    """One wrong version under the faults of one seed: the broken invariants of it and of the right version."""

    name: str
    seed: int
    found: set[str]
    unjustly: set[str]

    @property
    def caught(self) -> bool:
        return MUTANTS[self.name].caught in self.found

    def __str__(self) -> str:
        verdict = "caught" if self.caught else "escaped"
        found, unjustly = (", ".join(sorted(each)) or "nothing" for each in (self.found, self.unjustly))
        return f"{self.name}, seed {self.seed}: {verdict}, accused of {found}; the right version of {unjustly}"


def trials(name: str, seeds: Iterable[int]) -> Iterator[Trial]:
    """One trial per seed."""
    for seed in seeds:
        wrong = plan(name, seed)
        yield Trial(name, seed, accused(wrong), accused(dataclasses.replace(wrong, mutant="")))


def until_caught(name: str) -> Iterator[Trial]:
    """Stops at the trial that caught it; all trials if none did."""
    for trial in trials(name, range(1, TRIES + 1)):
        yield trial
        if trial.caught:
            return


def accused(one: Plan) -> set[str]:
    """The invariants that a run breaks."""
    with tempfile.TemporaryDirectory(prefix="hua-trial-", ignore_cleanup_errors=True) as folder:
        return {each.invariant for each in carry_out(one, Path(folder)).broken}
