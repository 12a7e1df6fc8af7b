"""What is known of tasks and of the whole, in every queue."""

from server.queue import LEASE_S, DueCallback, Progress, WorkerView
from server.task import Status
from tests.server.queue.conftest import accept, lease


async def test_running_task_is_seen_running(queue, make_task) -> None:
    await accept(queue, make_task())
    given = await lease(queue, "worker-7")
    await queue.heartbeat(given, Progress(3, 20, b"jpeg"))
    await queue.heartbeat(given, None)
    view = await queue.find(given.task.id)
    assert (view.status, view.position, view.worker) == (Status.RUNNING, 0, "worker-7")
    assert view.progress == Progress(3, 20, b"jpeg")
    assert view.started_at is not None


async def test_requeued_task_shows_no_progress(queue, make_task) -> None:
    await accept(queue, make_task())
    given = await lease(queue)
    await queue.heartbeat(given, Progress(3, 20))
    await queue.give_back(given)
    view = await queue.find(given.task.id)
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
    seen = await queue.overview()
    assert (seen.queued, seen.running, seen.queued_cost) == (2, 1, 5.0)
    assert [(line.priority, line.count, line.cost) for line in seen.lines][1] == ("normal", 2, 5.0)
    assert seen.oldest_at == tasks[1].created_at
    assert [worker.name for worker in seen.workers] == ["a", "b"]
    assert all(worker.seen_at > 0 for worker in seen.workers)
    clock.pass_by(LEASE_S / 2)
    assert [worker.name for worker in (await queue.overview()).workers] == ["a"]


async def test_overview_has_the_oldest_task_and_callbacks(queue, make_task) -> None:
    first, second, third = make_task("a", priority="low"), make_task("b", priority="high"), make_task("b")
    await accept(queue, second, third, first)
    for number, due_at in enumerate((1.0, 2.0, 4e9)):
        await queue.add_callback(DueCallback(f"{number:032x}", due_at))
    seen = await queue.overview()
    assert [line.count for line in seen.lines] == [1, 1, 1]
    assert seen.oldest_at == first.created_at
    assert (seen.callbacks, seen.callbacks_due) == (3, 2)
