import asyncio
import gc
from dataclasses import replace

import pytest

from server.queue import TaskLimitError
from server.task import Status
from server.tasks.submission import InvalidParamsError, Submission
from server.tasks.waiting import ClientGoneError, submit_all, wait_for_all


def painting_of(text: str) -> Submission:
    return Submission("txt2img.sd", {"text": text}, "red")


class Connection:
    """The connection of a client that has sent its body."""

    def __init__(self) -> None:
        self.hung_up = asyncio.Event()

    async def receive(self) -> dict[str, str]:
        await self.hung_up.wait()
        return {"type": "http.disconnect"}


async def test_results_come_in_the_order_of_the_tasks_once_all_have_ended(services, painter):
    views = await submit_all(services, [painting_of("a"), painting_of("b"), painting_of("c")])
    waiting = asyncio.create_task(wait_for_all(services, views, Connection().receive, cancels=False))
    leases = [await painter.take() for _ in views]
    await painter.finish(leases[1])
    await painter.fail(leases[2])
    await painter.finish(leases[0])
    manifests = await waiting
    assert [manifest.task.params["text"] for manifest in manifests] == ["a", "b", "c"]
    assert {manifest.task.id: manifest.outcome.status for manifest in manifests} == {
        leases[0].task.id: Status.SUCCEEDED,
        leases[1].task.id: Status.SUCCEEDED,
        leases[2].task.id: Status.FAILED,
    }


@pytest.mark.parametrize("overrides", [{"task_limit": 2}])
async def test_all_tasks_are_accepted_or_none(services, overrides):
    with pytest.raises(TaskLimitError):
        await submit_all(services, [painting_of("a"), painting_of("b"), painting_of("c")])
    with pytest.raises(InvalidParamsError):
        await submit_all(services, [painting_of("a"), Submission("txt2img.sd", {}, "red")])
    assert {view.status for view in (await services.queue.recent("red", None, 1, 9))[0]} == {Status.CANCELED}


@pytest.mark.parametrize("overrides", [{"task_limit": 1}])
async def test_refused_request_with_a_key_may_be_repeated(services, painter, overrides):
    """And the tasks of an earlier request with this key run on."""
    keyed = [replace(painting_of(text), idempotency_key=f"order {text}") for text in ("a", "b")]
    with pytest.raises(TaskLimitError):
        await submit_all(services, keyed)
    await painter.finish(await painter.take())
    await submit_all(services, keyed[:1])
    while (await services.queue.recent("red", Status.SUCCEEDED, 1, 9))[1] < 1:
        await asyncio.sleep(0.001)
    views = await submit_all(services, keyed)
    assert [view.status for view in views] == [Status.SUCCEEDED, Status.QUEUED]


@pytest.mark.parametrize("cancels", [True, False])
async def test_client_that_hangs_up_ends_the_wait(services, painter, cancels):
    errors = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    connection = Connection()
    views = await submit_all(services, [painting_of("a"), painting_of("b")])
    lease = await painter.take()
    waiting = asyncio.create_task(wait_for_all(services, views, connection.receive, cancels=cancels))
    connection.hung_up.set()
    with pytest.raises(ClientGoneError):
        await waiting
    del waiting
    if not cancels:
        await painter.finish(lease)
        await painter.finish(await painter.take())
    manifests = await wait_for_all(services, views, Connection().receive, cancels=False)
    expected = Status.CANCELED if cancels else Status.SUCCEEDED
    assert [manifest.outcome.status for manifest in manifests] == [expected, expected]
    gc.collect()
    assert not errors
