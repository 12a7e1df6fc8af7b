"""When callbacks fall due, in every queue."""

from server.queue import DueCallback


async def test_taken_callback_is_hidden_for_a_minute(queue) -> None:
    for place, due_at in enumerate((30.0, 10.0, 20.0, 99.0)):
        await queue.add_callback(DueCallback(f"task-{place}", due_at, tries=place))
    assert await queue.next_callbacks(5.0, 10) == []
    taken = await queue.next_callbacks(50.0, 2)
    assert taken == [DueCallback("task-1", 10.0, 1), DueCallback("task-2", 20.0, 2)]
    assert [each.task_id for each in await queue.next_callbacks(50.0, 10)] == ["task-0"]
    assert await queue.next_callbacks(60.0, 10) == []
    assert {each.task_id for each in await queue.next_callbacks(110.0, 10)} == {f"task-{place}" for place in range(4)}


async def test_added_callback_moves_and_dropped_one_never_comes(queue) -> None:
    await queue.add_callback(DueCallback("task", 1.0))
    await queue.next_callbacks(2.0, 1)
    await queue.add_callback(DueCallback("task", 5.0, tries=1))
    assert await queue.next_callbacks(5.0, 9) == [DueCallback("task", 5.0, tries=1)]
    await queue.drop_callback("task")
    await queue.drop_callback("task")
    assert await queue.next_callbacks(1e9, 9) == []
