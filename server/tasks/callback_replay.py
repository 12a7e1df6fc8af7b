"""Sends the callback of a task once more at the request of its owner, whose receiver was down or lost it."""

from __future__ import annotations

from server.queue import DueCallback
from server.services import Services
from server.storage.bucket_keys import callback_key
from server.storage.pending_callbacks import encode_callback
from server.tasks.lookup import TaskRecord


class NoCallbackError(Exception):
    """The task has no callback that could be sent again."""


async def replay_callback(services: Services, record: TaskRecord) -> None:
    """Makes the callback due now; it is retried like a new one. Raises NoCallbackError.

    It is written to the bucket first, as when a task is settled, so that no crash loses it.
    """
    task = record.view.task
    if task.callback is None:
        raise NoCallbackError("this task was submitted without a callback URL; poll the task instead")
    if record.manifest is None:
        raise NoCallbackError("this task has not ended; its callback is sent when it ends")
    due = DueCallback(task.id, services.clock())
    await services.bucket.put(callback_key(task.id), encode_callback(due))
    await services.queue.add_callback(due)
