"""The requests of this dialect that have not ended. One request may be several tasks."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

from server.api.dialects.a1111.generation import NAME
from server.queue import View
from server.services import Services
from server.task import Status
from server.tenancy.auth import Caller

PER_PAGE, MOST_ENDED = 1000, 100
FINAL = tuple(status for status in Status if status.final)
LEAST_FRACTION = 0.01
"""Clients take 0 for "nothing runs"."""


@dataclass(frozen=True, slots=True)
class OpenRequest:
    id: str
    views: tuple[View, ...]
    """Its unfinished tasks."""

    @property
    def running(self) -> tuple[View, ...]:
        return tuple(view for view in self.views if view.status is Status.RUNNING)

    @property
    def is_running(self) -> bool:
        return bool(self.running)

    @property
    def steps(self) -> tuple[int, int]:
        """The present step of the task that is the furthest, and how many it has."""
        return max((_steps(view) for view in self.views), key=lambda steps: steps[0])

    @property
    def preview(self) -> str | None:
        """In base64."""
        previews = (view.progress.preview for view in self.running if view.progress)
        return next((base64.b64encode(preview).decode() for preview in previews if preview), None)

    def fraction(self, ended: int) -> float:
        """How much of the request is painted, if it has `ended` more tasks, which have ended."""
        parts = [step / steps if steps else 0.0 for step, steps in map(_steps, self.views)]
        return max((ended + sum(parts)) / (ended + len(parts)), LEAST_FRACTION)

    def seconds_left(self, now: float) -> float:
        """Of the tasks that are being painted, as far as it can be told; else 0."""
        return max((_seconds_left(view, now) for view in self.running), default=0.0)


async def unfinished_requests(services: Services, caller: Caller) -> list[OpenRequest]:
    """Those of the caller's key, the newest first."""
    views: dict[str, View] = {}
    for status in (Status.QUEUED, Status.RUNNING):  # a task that is leased meanwhile is in both
        views |= {view.task.id: view for view in await _all_tasks(services, caller, status)}
    by_request: dict[str, list[View]] = {}
    for view in sorted(views.values(), key=lambda view: view.task.created_at, reverse=True):
        by_request.setdefault(view.task.request_id, []).append(view)
    return [OpenRequest(request_id, tuple(found)) for request_id, found in by_request.items()]


async def ended_tasks(services: Services, caller: Caller, request_id: str, statuses: Sequence[Status]) -> list[View]:
    """The tasks of a request of the caller's key that have ended so, if they are among the tenant's newest ones."""
    pages = [await services.queue.recent(caller.tenant, status, 1, MOST_ENDED) for status in statuses]
    return [view for page, _ in pages for view in page if _is_own(view, caller) and view.task.request_id == request_id]


async def _all_tasks(services: Services, caller: Caller, status: Status) -> list[View]:
    found: list[View] = []
    page, seen, total = 0, 0, 1
    while seen < total:
        page += 1
        views, total = await services.queue.recent(caller.tenant, status, page, PER_PAGE)
        seen += len(views) or total
        found += [view for view in views if _is_own(view, caller)]
    return found


def _is_own(view: View, caller: Caller) -> bool:
    return view.task.dialect == NAME and view.task.key == caller.key


def _steps(view: View) -> tuple[int, int]:
    return (view.progress.step, view.progress.steps) if view.progress else (0, 0)


def _seconds_left(view: View, now: float) -> float:
    step, steps = _steps(view)
    return max((now - view.started_at) * (steps - step) / step, 0.0) if step and view.started_at is not None else 0.0
