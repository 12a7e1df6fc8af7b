"""A task of a model that no live worker has is refused only if the operator wants that."""

import dataclasses

import pytest

from server.queue import WorkerView
from server.tasks.missing_models import MissingModelError
from server.tasks.submission import Submission, submit

SUBMISSION = Submission(type="txt2img.sd", params={"text": "x"}, tenant="red")


async def test_task_waits_by_default(services):
    await services.queue.begin()
    await services.queue.open()
    await services.queue.announce(WorkerView("w", "cpu", models=frozenset({"other"})))
    view = await submit(services, SUBMISSION)
    assert (await services.queue.find(view.task.id)).missing == ("toy",)


async def test_task_is_refused_and_takes_no_slot(services):
    refusing = services.settings.model_copy(update={"missing_models": "refuse"})
    services = dataclasses.replace(services, settings=refusing)
    await services.queue.begin()
    await services.queue.open()
    await submit(services, SUBMISSION)
    await services.queue.announce(WorkerView("w", "cpu", models=frozenset({"other"})))
    with pytest.raises(MissingModelError, match="no worker has toy"):
        await submit(services, SUBMISSION)
    assert (await services.queue.overview()).queued == 1
