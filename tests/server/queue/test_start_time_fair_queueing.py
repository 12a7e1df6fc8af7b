import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.queue.start_time_fair_queueing import StartTimeFairQueueing

WORK = st.floats(0.1, 10.0)


@given(st.lists(st.lists(WORK, min_size=1, max_size=30), min_size=2, max_size=5))
def test_busy_flows_never_drift_apart(flows: list[list[float]]) -> None:
    """The bound of the paper, for one server: two flows differ at most by their largest pieces."""
    turns, done = StartTimeFairQueueing(), dict.fromkeys(range(len(flows)), 0.0)
    for flow in done:
        turns.enter(str(flow))
    for step in range(100):
        flow = int(turns.next(1)[0])
        work = flows[flow][step % len(flows[flow])]
        turns.charge(str(flow), work)
        done[flow] += work
        assert max(done.values()) - min(done.values()) <= 2 * max(map(max, flows))


def test_ties_go_to_the_flow_that_entered_first() -> None:
    turns = StartTimeFairQueueing()
    for flow in "cab":
        turns.enter(flow)
    assert turns.next(3) == ["c", "a", "b"]


def test_returning_flow_starts_at_the_least_tag() -> None:
    turns = StartTimeFairQueueing()
    turns.enter("busy")
    turns.charge("busy", 50.0)
    turns.enter("back")
    assert turns.tag("back") == 50.0


def test_leaving_keeps_a_tag_above_the_least() -> None:
    turns = StartTimeFairQueueing()
    turns.enter("patient")
    turns.enter("greedy")
    turns.charge("greedy", 100.0)
    turns.leave("greedy")
    turns.enter("greedy")
    assert turns.next(2) == ["patient", "greedy"]
    assert turns.tag("greedy") == 100.0


def test_all_flows_restart_after_a_common_pause() -> None:
    turns = StartTimeFairQueueing()
    turns.enter("a")
    turns.charge("a", 100.0)
    turns.leave("a")
    assert turns.tag("a") == 0.0


def test_caught_up_flows_are_dropped() -> None:
    turns = StartTimeFairQueueing()
    turns.enter("stays")
    for number in range(1000):
        turns.enter(f"flow-{number}")
        turns.charge(f"flow-{number}", 1.0)
        turns.charge("stays", 2.0)
        turns.leave(f"flow-{number}")
    assert len(turns._paused) <= 1  # private: nothing public shows that memory is freed


@pytest.mark.parametrize(("work", "count"), [(0.0, 1), (1.9, 1), (2.0, 2), (5.0, 3), (99.0, 10)])
def test_before_counts_pieces_of_other_flows(work: float, count: int) -> None:
    turns = StartTimeFairQueueing()
    turns.enter("other")
    turns.enter("mine")
    assert turns.before("mine", work, {"other": (10, 2.0), "mine": (1, 1.0)}) == {"other": count}
