"""What happened in a run, as seen from outside: by clients, and in the logs and the bucket afterwards."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from server.task import Retention

FINAL = {"succeeded", "failed", "canceled"}
SHORTLY_S = 2.0


@dataclass(frozen=True, slots=True)
class PlannedTask:
    """A task that a client will submit; `number` names it throughout the run."""

    number: int
    tenant: str
    params: dict[str, Any]
    begins_s: float
    callback: bool = False
    retention: Retention = "24h"
    cancel_after_s: float | None = None

    @property
    def type(self) -> str:
        """The task type: tasks with an image start from it."""
        return "img2img.sd" if "url" in self.params else "txt2img.sd"

    @property
    def poison(self) -> bool:
        return bool(self.params["text"].startswith("poison"))


@dataclass(frozen=True, slots=True)
class Event:
    """`at` is unix time; `since` is when the request of that answer began.

    Kinds: accepted, refused, seen (a view of the task), missing, fetched, callback; of no task: fault, crashed, still,
    premature.
    """

    at: float
    kind: str
    task: int = -1
    since: float = 0.0
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def final(self) -> bool:
        """Whether the task had ended in this view."""
        return self.details["status"] in FINAL


@dataclass(slots=True)
class Found:
    """The bucket and the logs after the run, by task id; outcomes and usage in the order of the log."""

    manifests: dict[str, dict[str, Any]] = field(default_factory=dict)
    outcomes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    accepted: list[str] = field(default_factory=list)
    usage_log: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    usage: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    images: list[str] = field(default_factory=list)
    callbacks: list[str] = field(default_factory=list)
    uncommitted: int = 0
    at: float = field(default_factory=time.time)


class History:
    def __init__(self, planned: list[PlannedTask], limit: int) -> None:
        self.planned, self.limit = planned, limit
        self.events: list[Event] = []
        self.runs: list[dict[str, Any]] = []
        """Records of the devices: when they began and ended each text."""
        self.found = Found()

    def add(self, kind: str, task: int = -1, since: float = 0.0, **details: Any) -> None:
        now = time.time()
        self.events.append(Event(now, kind, task, since or now, details))

    def by_task(self) -> dict[int, list[Event]]:
        sorted_out: defaultdict[int, list[Event]] = defaultdict(list)
        for event in self.events:
            sorted_out[event.task].append(event)
        return sorted_out

    def ids(self) -> dict[int, str]:
        """The id of each accepted task."""
        return {event.task: event.details["id"] for event in self.events if event.kind == "accepted"}

    def still_s(self, since: float, until: float) -> float:
        """Seconds in this interval in which the whole machine stood still."""
        still = (event for event in self.events if event.kind == "still" and since < event.at <= until)
        return sum(float(event.details["seconds"]) for event in still)

    def report(self, number: int) -> str:
        """All events of one task, one per line, and the faults shortly before."""
        seen_at = [event.at for event in self.events if event.task == number]
        lines = [f"{event.at:.3f} {event.kind} {event.details}" for event in self.events if event.task == number]
        text = self.planned[number].params["text"]
        lines += [f"{run['at']:.3f} {run['what']} {run['attempt']}" for run in self.runs if run["text"] == text]
        faults = [event for event in self.events if event.kind == "fault"]
        near = [fault for fault in faults if any(fault.at < at < fault.at + SHORTLY_S for at in seen_at)]
        lines += [f"{fault.at:.3f} {fault.details}" for fault in near]
        outcomes = self.found.outcomes.get(self.ids().get(number, ""), [])
        logged = [f"outcome {outcome['attempt']} {outcome['status']}" for outcome in outcomes]
        return "\n".join([*sorted(lines), *logged])

    def save(self, file: Path) -> None:
        content = {
            "limit": self.limit,
            "planned": [asdict(each) for each in self.planned],
            "events": [asdict(each) for each in self.events],
            "runs": self.runs,
            "found": asdict(self.found),
        }
        file.write_text(json.dumps(content))


@dataclass(frozen=True, slots=True)
class Case:
    """One accepted task, with everything that the checker needs."""

    number: int
    id: str
    events: list[Event]
    manifest: dict[str, Any] | None
    history: History

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    @property
    def outcome(self) -> dict[str, Any]:
        """Its result; {} if there is none."""
        outcome: dict[str, Any] = (self.manifest or {}).get("outcome", {})
        return outcome

    @property
    def runs(self) -> list[dict[str, Any]]:
        text = self.history.planned[self.number].params["text"]
        return [run for run in self.history.runs if run["text"] == text]
