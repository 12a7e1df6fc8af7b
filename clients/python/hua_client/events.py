"""The events of a task, and the stream that brings them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Status: TypeAlias = Literal["queued", "running", "succeeded", "failed", "canceled"]
ENDED = ("succeeded", "failed", "canceled")


@dataclass(frozen=True, slots=True)
class Queued:
    """The task waits."""

    position: int | None
    """The number of tasks before it, plus one; None while no worker has its models."""
    reason: str | None = None
    """Why it has no position."""


@dataclass(frozen=True, slots=True)
class Running:
    """A worker has begun with the task."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Steps that are done, and how many there are."""

    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class Preview:
    """What the image looks like now."""

    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The task has ended; this is the last event."""

    status: Status
    raw: dict[str, Any] = field(repr=False)
    """The task, as the server's JSON has it."""


Event: TypeAlias = Queued | Running | Progress | Preview | Ended


class EventParser:
    """Reads server-sent events from the bytes of a stream, however they are cut.

    https://html.spec.whatwg.org/multipage/server-sent-events.html
    """

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that are complete now."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            event = self._read_line(line.removesuffix(b"\r").decode())
            if event is not None:
                yield event

    def _read_line(self, line: str) -> Event | None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif not line and self._data:
            event = _event(self._name, json.loads("\n".join(self._data)))
            self._name, self._data = "", []
            return event
        return None


def _event(name: str, data: Any) -> Event | None:
    """None for events that this version does not know."""
    match name:
        case "queued":
            return Queued(data["position"], data.get("reason"))
        case "running":
            return Running()
        case "progress":
            return Progress(data["step"], data["steps"])
        case "preview":
            return Preview(base64.b64decode(data["jpeg"]))
        case "succeeded" | "failed" | "canceled":
            return Ended(name, data)
    return None
