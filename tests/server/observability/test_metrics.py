import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.observability.metrics import METRICS, PRESUMED_PACE_S, REGISTRY, Age, exposition, table
from server.queue import LineView, Overview, WorkerView

LINES = (LineView("high", 1, 2.0), LineView("normal", 2, 2.5), LineView("low", 0, 0.0))


def samples(overview: Overview | None) -> dict[tuple[str, str], float]:
    """By name, and the value of the last label."""
    families = text_string_to_metric_families(exposition(overview).decode())
    return {(one.name, [*one.labels.values(), ""][0]): one.value for family in families for one in family.samples}


def test_the_queue_is_told_as_it_is_now():
    workers = (WorkerView("a", "cpu"), WorkerView("b", "cpu", state="draining"))
    told = samples(Overview(3, 2, 4.5, workers, LINES, oldest_at=time.time() - 60, callbacks=7, callbacks_due=4))
    assert (told["hua_tasks_queued", "high"], told["hua_tasks_queued", "normal"]) == (1, 2)
    assert told["hua_tasks_running", ""] == 2
    assert told["hua_queued_cost", "normal"] == 2.5
    assert told["hua_queued_gpu_seconds", ""] == 4.5 * PRESUMED_PACE_S
    assert 60 <= told["hua_oldest_waiting_seconds", ""] < 120
    assert (told["hua_callbacks_waiting", ""], told["hua_callbacks_due", ""]) == (7, 4)
    assert told["hua_workers", "ready"] == told["hua_workers", "draining"] == 1
    assert samples(Overview(0, 0, 0.0))["hua_workers", "ready"] == 0
    assert samples(Overview(0, 0, 0.0))["hua_oldest_waiting_seconds", ""] == 0


def test_work_that_waits_is_told_at_the_pace_that_workers_measure():
    workers = (WorkerView("a", "cuda:0", pace_s=1.0), WorkerView("b", "cuda:0", pace_s=3.0), WorkerView("new", "cpu"))
    assert samples(Overview(1, 0, 2.0, workers, LINES))["hua_queued_gpu_seconds", ""] == 4.5 * 2.0


def test_nothing_is_told_of_a_queue_that_does_not_answer():
    told = {name for name, _ in samples(None)}
    assert not {"hua_tasks_queued", "hua_workers", "hua_callbacks_due"} & told
    assert "hua_build_info" in told


def test_an_age_grows_by_itself():
    age = Age("worker", "hua_test_age_seconds", "For this test.")
    METRICS.pop()
    assert REGISTRY.get_sample_value("hua_test_age_seconds") is None
    age.since(None)
    assert REGISTRY.get_sample_value("hua_test_age_seconds") == 0
    age.since(time.time() - 100)
    assert 100 <= REGISTRY.get_sample_value("hua_test_age_seconds") < 200


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("hua_failures_total", {"code": "poison"}),
        ("hua_failures_total", {"code": "out_of_memory"}),
        ("hua_callback_tries_total", {"result": "parked"}),
        ("hua_dependency_errors_total", {"dependency": "broker"}),
    ],
)
def test_what_alerts_wait_for_is_told_before_it_happens(name: str, label: dict[str, str]):
    """A series that begins with 1 has not increased, as Prometheus sees it."""
    assert REGISTRY.get_sample_value(name, label) is not None


def test_the_page_has_the_table():
    page = Path(__file__).parents[3] / "docs" / "metrics.md"
    assert table() in page.read_text(), "docs/metrics.md is out of date: paste what `hua metrics` prints"
