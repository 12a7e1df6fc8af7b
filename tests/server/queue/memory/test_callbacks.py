"""When callbacks are due, in both queues."""

from server.queue import DueCallback


async def test_next_callbacks_hides_a_callback_for_a_minute(queue) -> None:
    for number, due_at in enumerate((30.0, 10.0, 20.0, 99.0)):
        await queue.add_callback(DueCallback(f"task-{number}", due_at, tries=number))
    assert await queue.next_callbacks(5.0, 10) == []
    due = await queue.next_callbacks(50.0, 2)
    assert due == [DueCallback("task-1", 10.0, 1), DueCallback("task-2", 20.0, 2)]
    assert [each.task_id for each in await queue.next_callbacks(50.0, 10)] == ["task-0"]
    assert await queue.next_callbacks(60.0, 10) == []
    assert {each.task_id for each in await queue.next_callbacks(110.0, 10)} == {f"task-{number}" for number in range(4)}


async def test_added_callback_moves_and_dropped_one_never_comes(queue) -> None:
    await queue.add_callback(DueCallback("task", 1.0))
    await queue.next_callbacks(2.0, 1)
    await queue.add_callback(DueCallback("task", 5.0, tries=1))
    assert await queue.next_callbacks(5.0, 9) == [DueCallback("task", 5.0, tries=1)]
    await queue.drop_callback("task")
    await queue.drop_callback("task")
    assert await queue.next_callbacks(1e9, 9) == []
