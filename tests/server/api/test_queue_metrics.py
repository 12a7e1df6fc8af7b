import time

from prometheus_client.parser import text_string_to_metric_families

from server.api.queue_metrics import PRESUMED_PACE_S, set_queue_metrics
from server.observability.metrics import exposition
from server.queue import GroupView, LineView, MissingView, Overview, WorkerView

LINES = (LineView("high", 1, 2.0), LineView("normal", 2, 2.5), LineView("low", 0, 0.0))


def samples(overview: Overview) -> dict[tuple[str, str], float]:
    """Samples by name and value of the last label."""
    set_queue_metrics(overview)
    families = text_string_to_metric_families(exposition(with_queue=True).decode())
    return {(one.name, [*one.labels.values(), ""][0]): one.value for family in families for one in family.samples}


def test_gauges_show_the_overview():
    workers = (WorkerView("a", "cpu"), WorkerView("b", "cpu", state="draining"))
    values = samples(Overview(3, 2, 4.5, workers, LINES, oldest_at=time.time() - 60, callbacks=7, callbacks_due=4))
    assert (values["hua_tasks_queued", "high"], values["hua_tasks_queued", "normal"]) == (1, 2)
    assert values["hua_tasks_running", ""] == 2
    assert values["hua_queued_cost", "normal"] == 2.5
    assert values["hua_queued_gpu_seconds", ""] == 4.5 * PRESUMED_PACE_S
    assert 60 <= values["hua_oldest_waiting_seconds", ""] < 120
    assert (values["hua_callbacks_waiting", ""], values["hua_callbacks_due", ""]) == (7, 4)
    assert values["hua_workers", "ready"] == values["hua_workers", "draining"] == 1
    assert samples(Overview(0, 0, 0.0))["hua_workers", "ready"] == 0
    assert samples(Overview(0, 0, 0.0))["hua_oldest_waiting_seconds", ""] == 0


def test_gpu_seconds_use_the_pace_that_workers_measure():
    workers = (WorkerView("a", "cuda:0", pace_s=1.0), WorkerView("b", "cuda:0", pace_s=3.0), WorkerView("new", "cpu"))
    assert samples(Overview(1, 0, 2.0, workers, LINES))["hua_queued_gpu_seconds", ""] == 4.5 * 2.0


def test_tasks_without_a_worker_for_their_models_are_counted():
    missing = (MissingView(("a",), 2), MissingView(("b", "c"), 1))
    assert samples(Overview(3, 0, 3.0, missing=missing))["hua_tasks_without_model", ""] == 3
    assert samples(Overview(0, 0, 0.0))["hua_tasks_without_model", ""] == 0


def test_groups_count_the_work_that_they_can_do() -> None:
    workers = (WorkerView("a", "cuda:0", pace_s=1.0, group="a"), WorkerView("b", "cuda:0", pace_s=3.0, group="b"))
    missing = (MissingView(("x",), 1, 1.5),)
    values = samples(
        Overview(4, 0, 4.5, workers, LINES, missing=missing, groups=(GroupView("a", 3.0), GroupView("b", 2.0)))
    )
    assert (values["hua_group_queued_gpu_seconds", "a"], values["hua_group_queued_gpu_seconds", "b"]) == (3.0, 6.0)
    assert values["hua_unclaimed_gpu_seconds", ""] == 1.5 * 2.0
    gone = samples(Overview(4, 0, 4.5, workers[1:], LINES, groups=(GroupView("b", 2.0),)))
    assert ("hua_group_queued_gpu_seconds", "a") not in gone


def test_all_work_is_unclaimed_while_a_worker_names_no_group() -> None:
    for workers in ((), (WorkerView("a", "cpu", group="a"), WorkerView("old", "cpu"))):
        values = samples(Overview(4, 0, 4.5, workers, LINES))
        assert values["hua_unclaimed_gpu_seconds", ""] == 4.5 * PRESUMED_PACE_S
