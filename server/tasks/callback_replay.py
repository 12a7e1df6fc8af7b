"""Sends the callback of a task once more, because its owner asks: their receiver was away for too long, or lost it."""

from __future__ import annotations

from server.queue import DueCallback
from server.services import Services
from server.storage.bucket import callback_key
from server.storage.pending_callbacks import encode_callback
from server.tasks.lookup import TaskRecord


class NoCallbackError(Exception):
    """There is nothing to send again."""


async def replay(services: Services, record: TaskRecord) -> None:
    """The callback is due now, and is retried as if it were new. Raises NoCallbackError.

    It goes into the bucket first, as when a task is settled, so that no crash loses it.
    """
    task = record.view.task
    if task.callback is None:
        raise NoCallbackError("this task was handed in without an address for a callback; ask for the task instead")
    if record.manifest is None:
        raise NoCallbackError("this task has not ended; its callback is sent when it does")
    due = DueCallback(task.id, services.clock())
    await services.bucket.put(callback_key(task.id), encode_callback(due))
    await services.queue.add_callback(due)
