import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from server.observability.metrics import METRICS, REGISTRY, Age, exposition, table


def test_exposition_omits_the_queue_by_default():
    names = {family.name for family in text_string_to_metric_families(exposition().decode())}
    assert not {"hua_tasks_queued", "hua_workers", "hua_callbacks_due"} & names
    assert "hua_build_info" in names


def test_age_grows_without_updates():
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
def test_series_of_alerts_exist_before_their_first_event(name: str, label: dict[str, str]):
    """For Prometheus, a series that begins with 1 has not increased."""
    assert REGISTRY.get_sample_value(name, label) is not None


def test_metrics_page_has_the_table():
    page = Path(__file__).parents[3] / "docs" / "metrics.md"
    assert table() in page.read_text(), "docs/metrics.md is out of date: paste what `hua metrics` prints"
