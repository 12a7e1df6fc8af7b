"""Views of tasks and the overview, in both queues."""

from server.queue import LEASE_S, DueCallback, Progress, WorkerView
from server.task import Status
from tests.server.queue.conftest import accept, lease


async def test_view_of_a_running_task_shows_its_progress(queue, make_task) -> None:
    await accept(queue, make_task())
    leased = await lease(queue, "worker-7")
    await queue.heartbeat(leased, Progress(3, 20, b"jpeg"))
    await queue.heartbeat(leased, None)
    view = await queue.find(leased.task.id)
    assert (view.status, view.position, view.worker) == (Status.RUNNING, 0, "worker-7")
    assert view.progress == Progress(3, 20, b"jpeg")
    assert view.started_at is not None


async def test_requeued_task_shows_no_progress(queue, make_task) -> None:
    await accept(queue, make_task())
    leased = await lease(queue)
    await queue.heartbeat(leased, Progress(3, 20))
    await queue.give_back(leased)
    view = await queue.find(leased.task.id)
    assert (view.status, view.progress, view.started_at, view.worker) == (Status.QUEUED, None, None, "")


async def test_recent_returns_pages_newest_first(queue, make_task, make_manifest) -> None:
    tasks = [make_task() for _ in range(25)]
    await accept(queue, *tasks, make_task("other"))
    for task in tasks[5:15]:
        await queue.settle(make_manifest(task, Status.FAILED))
    pages = [await queue.recent("t", None, page, 10) for page in (1, 2, 3, 4)]
    assert [view.task.id for views, _ in pages for view in views] == [task.id for task in reversed(tasks)]
    assert {count for _, count in pages} == {25}
    failed, count = await queue.recent("t", Status.FAILED, 2, 6)
    assert count == 10
    assert [view.task.id for view in failed] == [task.id for task in reversed(tasks[5:9])]
    assert await queue.recent("nobody", None, 1, 10) == ([], 0)


async def test_overview_counts_tasks(queue, make_task, make_manifest, clock) -> None:
    empty = await queue.overview()
    assert [(line.priority, line.count, line.cost) for line in empty.lines] == [
        ("high", 0, 0),
        ("normal", 0, 0),
        ("low", 0, 0),
    ]
    assert (empty.oldest_at, empty.callbacks, empty.callbacks_due) == (None, 0, 0)
    tasks = [make_task(cost=2.5) for _ in range(4)]
    await accept(queue, *tasks)
    await lease(queue)
    await queue.settle(make_manifest(tasks[3]))
    await queue.announce(WorkerView(name="b", device="cpu"))
    clock.pass_by(LEASE_S / 2)
    await queue.announce(WorkerView(name="a", device="cuda:0", resident=("m",), room=2))
    overview = await queue.overview()
    assert (overview.queued, overview.running, overview.queued_cost) == (2, 1, 5.0)
    assert [(line.priority, line.count, line.cost) for line in overview.lines][1] == ("normal", 2, 5.0)
    assert overview.oldest_at == tasks[1].created_at
    assert [worker.name for worker in overview.workers] == ["a", "b"]
    assert all(worker.seen_at > 0 for worker in overview.workers)
    clock.pass_by(LEASE_S / 2)
    assert [worker.name for worker in (await queue.overview()).workers] == ["a"]


async def test_overview_has_the_oldest_task_and_callbacks(queue, make_task) -> None:
    first, second, third = make_task("a", priority="low"), make_task("b", priority="high"), make_task("b")
    await accept(queue, second, third, first)
    for number, due_at in enumerate((1.0, 2.0, 4e9)):
        await queue.add_callback(DueCallback(f"{number:032x}", due_at))
    overview = await queue.overview()
    assert [line.count for line in overview.lines] == [1, 1, 1]
    assert overview.oldest_at == first.created_at
    assert (overview.callbacks, overview.callbacks_due) == (3, 2)
