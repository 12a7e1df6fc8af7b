"""Checks times: the clocks of roles may be hours off; the checker's own clock is the reference."""

from __future__ import annotations

from collections.abc import Iterator

from server.task import RETENTION_S
from tests.chaos.history import Case

NEARLY_S = 2.0
"""The most by which an answer of Redis about the time may be late, with some reserve."""


def judge_times(case: Case) -> Iterator[str]:
    """The recorded times of a task are right, and its image is kept as long as requested."""
    accepted, outcome = case.of("accepted")[0], case.outcome
    if case.manifest is None:
        return
    if not accepted.since - NEARLY_S <= outcome["task"]["created_at"] <= accepted.at + NEARLY_S:
        yield f"it says that it was accepted {outcome['task']['created_at'] - accepted.at:+.0f} s from when it was"
    ended_by = min((seen.at for seen in case.of("seen") if seen.final), default=case.history.found.at)
    if not accepted.since - NEARLY_S <= outcome["finished_at"] <= ended_by + NEARLY_S:
        yield f"it says that it ended {outcome['finished_at'] - ended_by:+.0f} s from when it was seen to have"
    yield from _life(case, case.manifest["expires_at"])


def _life(case: Case, expires_at: float) -> Iterator[str]:
    """The device recorded when the image was made; its retention begins then."""
    life_s = RETENTION_S[case.history.planned[case.number].retention]
    made_at = [run["at"] for run in case.runs if run["what"] == "ended" and run["attempt"] == case.outcome["attempt"]]
    if made_at and expires_at < made_at[0] + life_s - NEARLY_S:
        yield f"its picture was to live for {life_s} s, and lives for {expires_at - made_at[0]:.0f}"
    if expires_at > case.outcome["finished_at"] + life_s + NEARLY_S:
        yield f"its picture lives {expires_at - case.outcome['finished_at'] - life_s:.0f} s too long"


def lives(case: Case, at: float) -> bool:
    """Whether its image must exist at that time."""
    return case.manifest is not None and at < case.manifest["expires_at"] - NEARLY_S
