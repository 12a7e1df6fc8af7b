"""A broken invariant is reported at the crash points that were reached during its task."""

from tests.chaos.checker import Broken
from tests.chaos.crash_cost import CrashCost, crash_costs
from tests.chaos.history import Event, History


def lived(task: int, since: float, until: float) -> list[Event]:
    asked = Event(since + 0.1, "accepted", task, since, {"id": str(task)})
    return [asked, Event(until, "seen", task, until, {"status": "succeeded"})]


def test_tolls_count_tasks_under_way_and_their_faults() -> None:
    history = History([], 9)
    history.events = [*lived(0, 1.0, 5.0), *lived(1, 4.0, 6.0), *lived(2, 8.0, 9.0)]
    history.events += [
        Event(at, "crashed", details={"what": point}) for at, point in ((2.0, "T5"), (4.5, "T8"), (9.9, "T8"))
    ]
    history.events.append(Event(9.8, "callback", 2, 9.8))
    broken = [Broken("I1", 0, "lost"), Broken("I3", 2, "twice"), Broken("I2", -1, "not committed")]
    costs = {each.point: each for each in crash_costs(history, broken)}
    assert costs["T5"] == CrashCost("T5", reached=1, under_way=1, lost=1, twice=0, other=0)
    assert costs["T8"] == CrashCost("T8", reached=2, under_way=3, lost=1, twice=1, other=0)
    assert costs["T1"] == CrashCost("T1", 0, 0, 0, 0, 0)
    assert costs["all"] == CrashCost("all", reached=3, under_way=4, lost=1, twice=1, other=1)


def test_tolls_count_unended_task_as_under_way() -> None:
    history = History([], 9)
    history.events = [Event(1.0, "refused", 0, 0.5), Event(99.0, "crashed", details={"what": "T1"})]
    assert crash_costs(history, [])[0] == CrashCost("T1", reached=1, under_way=1, lost=0, twice=0, other=0)
