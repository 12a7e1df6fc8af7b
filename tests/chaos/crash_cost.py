"""The cost of the crashes at each point: the tasks that ran, and the invariants that were broken for them."""

from __future__ import annotations

from dataclasses import dataclass

from tests.chaos.checker import Broken
from tests.chaos.crash import POINTS
from tests.chaos.history import Event, History

LOST, TWICE = {"I1"}, {"I3", "I6", "I7"}
AFTERWARDS_S = 0.5
"""Seconds after the last event of a task in which work on it may still happen."""


@dataclass(frozen=True, slots=True)
class CrashCost:
    """The cost of all crashes at one point. A broken invariant counts at each point that was reached during its task;
    `twice` is two results, two bodies or two charges."""

    point: str
    reached: int
    under_way: int
    lost: int
    twice: int
    other: int


def crash_costs(history: History, broken: list[Broken]) -> list[CrashCost]:
    """One per point, and one for the whole run, which also has what belongs to no known task."""
    lives = {number: _life(events) for number, events in history.by_task().items() if number >= 0}
    struck = {point: [crash.at for crash in _crashes(history) if crash.details["what"] == point] for point in POINTS}
    met = {
        point: [sum(began < at < ended for at in times) for began, ended in lives.values()]
        for point, times in struck.items()
    }
    found = [
        _cost(point, len(times), sum(met[point]), _during(times, lives, broken)) for point, times in struck.items()
    ]
    return [*found, _cost("all", sum(map(len, struck.values())), sum(map(sum, met.values())), broken)]


def _cost(point: str, reached: int, under_way: int, broken: list[Broken]) -> CrashCost:
    lost, twice = (sum(one.invariant in meant for one in broken) for meant in (LOST, TWICE))
    return CrashCost(point, reached, under_way, lost, twice, len(broken) - lost - twice)


def _during(times: list[float], lives: dict[int, tuple[float, float]], broken: list[Broken]) -> list[Broken]:
    return [
        one for one in broken if any(lives[one.task][0] < at < lives[one.task][1] for at in times if one.task in lives)
    ]


def _crashes(history: History) -> list[Event]:
    return [event for event in history.events if event.kind == "crashed"]


def _life(events: list[Event]) -> tuple[float, float]:
    """From a task's first request until it was seen ended, or its last callback; without end if it was not."""
    ended = [event.at for event in events if event.kind == "seen" and event.final]
    called = [event.at for event in events if event.kind == "callback"]
    last = max([min(ended), *called]) + AFTERWARDS_S if ended else float("inf")
    return min(event.since for event in events), last
