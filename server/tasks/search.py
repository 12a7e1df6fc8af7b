"""Finds the tasks of a tenant that fit some filters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from server.queue import Queue, View
from server.task import Status, Task

READ_AT_ONCE = 500
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

    @property
    def by_status_alone(self) -> bool:
        return not (self.types or self.model or self.words)

    def fit(self, task: Task) -> bool:
        """Whether the task has all of them but the status."""
        if self.types and task.type not in self.types:
            return False
        if self.model and self.model.casefold() not in map(str.casefold, task.models):
            return False
        if not self.words:
            return True
        text = "\n".join((*task.original_prompts.values(), *_prompts(task.params))).casefold()
        return all(word.casefold() in text for word in self.words)


async def find_tasks(queue: Queue, tenant: str, filters: Filters, page: int, per_page: int) -> tuple[list[View], int]:
    """A page (from 1) of the tasks that fit, newest first, and the number of all of them.

    All tasks of the tenant are read, in parts, so that the queue is not blocked for others. Raises
    QueueUnavailableError.
    """
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


def _prompts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for name, text in value.items() if name in PROMPTS and isinstance(text, str))
        for child in value.values():
            yield from _prompts(child)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for child in value:
            yield from _prompts(child)
