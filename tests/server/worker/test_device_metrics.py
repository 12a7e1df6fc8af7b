import pytest

from server.observability.metrics import REGISTRY
from server.worker.device_metrics import DeviceMetrics
from server.worker.messages import DeviceStats


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


def counts() -> list[float]:
    return [
        value("hua_device_busy_seconds_total"),
        value("hua_batch_rows_bucket", le="2.0"),
        value("hua_batch_rows_count"),
        value("hua_model_loads_total", origin="disk"),
        value("hua_model_evictions_total", target="host"),
    ]


def test_counts_go_on_after_a_restart() -> None:
    metrics, before = DeviceMetrics(), counts()
    metrics.update(DeviceStats(1.0, {2: 3}, {"disk": 1}, {}, {"models": 10}))
    metrics.update(DeviceStats(1.5, {2: 4, 8: 2}, {"disk": 2}, {"host": 1}, {"models": 20}))
    metrics.restart()
    metrics.update(DeviceStats(0.5, {2: 1}, {"disk": 1}, {}, {"models": 5}))
    grown = [now - then for now, then in zip(counts(), before, strict=True)]
    assert grown == pytest.approx([2.0, 5, 7, 3, 1])
    assert value("hua_device_memory_bytes", kind="models") == 5


def test_fallbacks_are_counted_by_kind() -> None:
    metrics, before = DeviceMetrics(), value("hua_device_fallbacks_total", kind="capture")
    metrics.update(DeviceStats(fallbacks={"capture": 1}))
    metrics.update(DeviceStats(fallbacks={"capture": 3, "package": 1}))
    assert value("hua_device_fallbacks_total", kind="capture") == before + 3


def test_pace_is_of_the_device_and_not_of_tasks_that_share_it() -> None:
    metrics = DeviceMetrics()
    assert metrics.pace_s == 0.0
    metrics.update(DeviceStats(6.0))
    for _ in range(4):
        metrics.add_cost(1.0)
    assert metrics.pace_s == pytest.approx(1.5)


def test_pace_follows_the_latest_tasks() -> None:
    metrics = DeviceMetrics()
    for busy_s in (300.0, 350.0, 400.0, 450.0, 500.0):
        metrics.update(DeviceStats(busy_s))
        metrics.add_cost(100.0)
    assert metrics.pace_s < 1.0
