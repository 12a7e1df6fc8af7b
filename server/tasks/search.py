"""Finds the tasks of a tenant that fit some filters."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from server.queue import Queue, View
from server.services import Services
from server.task import Manifest, Status, Task
from server.tasks.retention import kept_images

READ_AT_ONCE, MANIFESTS_AT_ONCE = 500, 50
PROMPTS = frozenset({"text", "prompt", "negative_prompt"})
"""Parameters that are prompts, wherever they are in the params of a task."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What a task must have. None or empty: anything."""

    status: Status | None = None
    types: frozenset[str] = frozenset()
    """Task types, of which it has one, by their first names."""
    model: str = ""
    """One of its models, by name."""
    words: tuple[str, ...] = ()
    """Words that are all in its prompts, in any case."""
    kept: bool = False
    """Only tasks whose images are kept without end."""

    @property
    def by_status_alone(self) -> bool:
        return not (self.types or self.model or self.words)

    def fit(self, task: Task) -> bool:
        """Whether the task has all of them but the status, and whether its images are kept."""
        if self.types and task.type not in self.types:
            return False
        if self.model and self.model.casefold() not in map(str.casefold, task.models):
            return False
        if not self.words:
            return True
        text = "\n".join((*task.original_prompts.values(), *_prompts(task.params))).casefold()
        return all(word.casefold() in text for word in self.words)


async def find_tasks(
    services: Services, tenant: str, filters: Filters, page: int, per_page: int
) -> tuple[list[View], int]:
    """A page (from 1) of the tasks that fit, newest first, and the number of all of them.

    The queue forgets ended tasks. Those whose images are kept come from the bucket, after the others. Raises
    QueueUnavailableError, BucketUnavailableError.
    """
    first = (page - 1) * per_page
    views, total = await _in_queue(services.queue, tenant, filters, page, per_page)
    older = await _kept(services, tenant, filters)
    if not filters.by_status_alone:
        fitting = [manifest for manifest in await _manifests(services, older) if filters.fit(manifest.task)]
        older = [manifest.task.id for manifest in fitting]
    shown = older[max(0, first - total) : max(0, first + per_page - total)]
    views = [*views, *(View.from_manifest(manifest) for manifest in await _manifests(services, shown))]
    return views, total + len(older)


async def _in_queue(queue: Queue, tenant: str, filters: Filters, page: int, per_page: int) -> tuple[list[View], int]:
    """All tasks of the tenant are read, in parts, so that the queue is not blocked for others."""
    if filters.kept:
        return [], 0
    if filters.by_status_alone:
        return await queue.recent(tenant, filters.status, page, per_page)
    fitting: dict[str, View] = {}
    for part in count(1):
        views, total = await queue.recent(tenant, filters.status, part, READ_AT_ONCE)
        fitting |= {view.task.id: view for view in views if filters.fit(view.task)}
        if part * READ_AT_ONCE >= total:
            break
    found = list(fitting.values())
    return found[(page - 1) * per_page : page * per_page], len(found)


async def _kept(services: Services, tenant: str, filters: Filters) -> list[str]:
    """The ids of tasks whose images are kept, which `_in_queue` does not find, the newest first."""
    if filters.status not in {None, Status.SUCCEEDED}:
        return []
    ids = await kept_images(services).task_ids(tenant)
    return ids if filters.kept else await services.queue.forgotten(ids)


async def _manifests(services: Services, ids: Sequence[str]) -> list[Manifest]:
    """Those of tasks whose images are kept."""
    found: list[Manifest | None] = []
    for start in range(0, len(ids), MANIFESTS_AT_ONCE):
        found += await asyncio.gather(*map(services.bucket.manifest, ids[start : start + MANIFESTS_AT_ONCE]))
    return [manifest for manifest in found if manifest is not None and manifest.kept]


def _prompts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for name, text in value.items() if name in PROMPTS and isinstance(text, str))
        for child in value.values():
            yield from _prompts(child)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for child in value:
            yield from _prompts(child)
