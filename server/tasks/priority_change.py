"""Changes the priority of a waiting task at the request of its owner."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from server.queue import QueueUnavailableError
from server.services import Services
from server.task import Priority, Status
from server.tasks.lookup import TaskRecord, find_record
from server.tasks.submission import allowed_priority


class NotWaitingError(Exception):
    """The task does not wait, so that its priority has no effect any more."""


async def change_priority(services: Services, record: TaskRecord, priority: Priority) -> TaskRecord:
    """The record with this priority. If the task starts meanwhile, it runs with the old one.

    The log gets the task once more: of the records of a waiting task, the last has its priority. So the change survives
    a queue that forgets everything. Raises NotWaitingError, NotAllowedError, BrokerUnavailableError.
    """
    view = record.view
    if view.status is not Status.QUEUED or not view.accepted:
        raise NotWaitingError(f"this task is {view.status.value}; only a task that waits can change its priority")
    allowed_priority(services.tenants.policy(view.task.tenant), priority)
    if priority == view.task.priority:
        return record
    task = view.task.model_copy(update={"priority": priority})
    await services.broker.publish_task(task)
    with contextlib.suppress(QueueUnavailableError):
        # The controller does the same a little later; the change is safe in the log already.
        await services.queue.ingest(task)
        return await find_record(services, task.id, task.tenant)
    return replace(record, view=replace(view, task=task))
