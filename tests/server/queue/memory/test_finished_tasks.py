import pytest

from server.queue import View
from server.queue.memory.finished_tasks import FinishedTasks


@pytest.fixture
def make_view(make_task, make_manifest):
    return lambda tenant="t": View.from_manifest(make_manifest(make_task(tenant)))


def test_oldest_results_are_dropped_first(make_view) -> None:
    ended, views = FinishedTasks(3), [make_view("a"), *(make_view("b") for _ in range(4))]
    for view in views:
        ended.put(view)
    assert len(ended) == 3
    assert [view.task.id in ended for view in views] == [False, False, True, True, True]
    assert list(ended.of("a")) == []
    assert list(ended.of("b")) == views[2:]
    assert ended.get(views[0].task.id) is None
    assert ended.get(views[4].task.id) == views[4]


def test_view_put_again_takes_no_more_room(make_view) -> None:
    ended, views = FinishedTasks(2), [make_view(), make_view()]
    for view in views * 5:
        ended.put(view)
    assert list(ended.of("t")) == views


def test_unknown_tenants_leave_nothing_behind() -> None:
    ended = FinishedTasks(2)
    for number in range(100):
        assert list(ended.of(f"stranger-{number}")) == []
    assert len(ended._by_tenant) == 0  # private: nothing public shows that memory is freed
