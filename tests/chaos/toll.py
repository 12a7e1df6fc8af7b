"""What the crashes at each point cost: who was under way, and which promises to them were broken."""

from __future__ import annotations

from dataclasses import dataclass

from tests.chaos.checker import Broken
from tests.chaos.crash import POINTS
from tests.chaos.history import Event, History

LOST, TWICE = {"I1"}, {"I3", "I6", "I7"}
AFTERWARDS_S = 0.5
"""How long after the last that was heard of a task something may still be done about it."""


@dataclass(frozen=True, slots=True)
class Toll:
    """Of all crashes at one point. A broken promise counts at each point that was reached while its task was under way;
    `twice` is two results, two bodies or two charges."""

    point: str
    reached: int
    under_way: int
    lost: int
    twice: int
    other: int


def tolls(history: History, broken: list[Broken]) -> list[Toll]:
    """One for each point, and one for the whole run, which alone has what is of no task or of one that was not heard
    of."""
    lives = {number: _life(events) for number, events in history.by_task().items() if number >= 0}
    struck = {point: [crash.at for crash in _crashes(history) if crash.said["what"] == point] for point in POINTS}
    met = {
        point: [sum(began < at < ended for at in times) for began, ended in lives.values()]
        for point, times in struck.items()
    }
    found = [
        _toll(point, len(times), sum(met[point]), _during(times, lives, broken)) for point, times in struck.items()
    ]
    return [*found, _toll("all", sum(map(len, struck.values())), sum(map(sum, met.values())), broken)]


def _toll(point: str, reached: int, under_way: int, broken: list[Broken]) -> Toll:
    lost, twice = (sum(one.invariant in meant for one in broken) for meant in (LOST, TWICE))
    return Toll(point, reached, under_way, lost, twice, len(broken) - lost - twice)


def _during(times: list[float], lives: dict[int, tuple[float, float]], broken: list[Broken]) -> list[Broken]:
    return [
        one for one in broken if any(lives[one.task][0] < at < lives[one.task][1] for at in times if one.task in lives)
    ]


def _crashes(history: History) -> list[Event]:
    return [event for event in history.events if event.kind == "crashed"]


def _life(events: list[Event]) -> tuple[float, float]:
    """From its first request until it was seen to end, or its last callback came; for ever, if it was not seen to."""
    ended = [event.at for event in events if event.kind == "seen" and event.final]
    called = [event.at for event in events if event.kind == "callback"]
    last = max([min(ended), *called]) + AFTERWARDS_S if ended else float("inf")
    return min(event.since for event in events), last
