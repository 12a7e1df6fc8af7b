"""Each alert fires when it should and is silent otherwise: Prometheus' own promtool reads what the chart installs."""

import subprocess
from pathlib import Path

import pytest
import yaml

from helm.render import CHART, Resource, render
from tests.helm.chart import values
from tests.support.tools import installed

WELL = {'hua_workers{state="ready"}': "1x180", "hua_controller_leading": "1x180"}
"""What a house tells that does its work, a sample a minute for three hours; the second is the leader's."""
TROUBLE = {
    "HuaNoWorkerReady": {'hua_workers{state="ready"}': "1x60 0x120"},
    "HuaNobodyReads": {"hua_controller_leading": "1x60 _x120"},
    "HuaQueueOld": {"hua_oldest_waiting_seconds": "0+60x180"},
    "HuaRequestsFail": {
        'hua_http_request_seconds_count{status="202"}': "0+97x180",
        'hua_http_request_seconds_count{status="503"}': "0+3x180",
    },
    "HuaTasksFail": {
        'hua_failures_total{code="internal"}': "0+6x180",
        'hua_tasks_ended_total{status="succeeded"}': "0+94x180",
        'hua_tasks_ended_total{status="failed"}': "0+6x180",
    },
    "HuaMostWithheld": {'hua_images_withheld_total{type="a"}': "0+3x180", 'hua_images_made_total{type="a"}': "0+2x180"},
    "HuaLeasesExpire": {'hua_leases_expired_total{pod="a"}': "0+1x180"},
    "HuaModelMissing": {"hua_tasks_without_model": "1x180"},
    "HuaDeviceDies": {'hua_device_deaths_total{pod="a"}': "0+1x180"},
    "HuaPoison": {'hua_failures_total{code="poison"}': "0x170 1x10"},
    "HuaDeviceMemoryFull": {
        'hua_device_memory_bytes{pod="a", kind="used"}': "98x180",
        'hua_device_memory_bytes{pod="a", kind="total"}': "100x180",
    },
    "HuaDependencyErrors": {'hua_dependency_errors_total{dependency="queue"}': "0+30x180"},
    "HuaOffsetHeldBack": {"hua_oldest_unsettled_seconds": "0+60x180"},
    "HuaCallbacksLate": {"hua_callbacks_due": "101x180"},
    "HuaCallbacksParked": {'hua_callback_tries_total{result="parked"}': "0x170 1x10"},
    "HuaSweeperLate": {'hua_sweeper_lag_seconds{pod="a"}': "0+60x180"},
}
"""What is told when it does not; each alert fires at the end of these three hours."""
NEARLY = {
    'hua_http_request_seconds_count{status="202"}': "0+99x180",
    'hua_http_request_seconds_count{status="503"}': "0+1x180",
    'hua_tasks_ended_total{status="failed"}': "0+50x180",
    'hua_failures_total{code="bad_image"}': "0+50x180",
    'hua_images_withheld_total{type="a"}': "0+1x180",
    'hua_images_made_total{type="a"}': "0+2x180",
    'hua_sweeper_lag_seconds{pod="leads"}': "5x180",
    'hua_sweeper_lag_seconds{pod="led once"}': "0+60x180",
    "hua_oldest_waiting_seconds": "500x180",
    'hua_device_memory_bytes{pod="a", kind="used"}': "96x180",
    'hua_device_memory_bytes{pod="a", kind="total"}': "100x180",
}
"""Busy, and no reason to wake anybody."""


def series(told: dict[str, str], namespace: str) -> list[Resource]:
    def within(name: str) -> str:
        metric, _, labels = name.rstrip("}").partition("{")
        return f'{metric}{{namespace="{namespace}", {labels}}}'

    return [{"series": within(name), "values": samples} for name, samples in told.items()]


def expecting(alert: str | None, *told: Resource) -> Resource:
    """A case of promtool: what was told, and the one alert, or none, that fires in the end."""
    fired = [{"labels": f'{{alertname="{alert}", namespace="hua"}}', "value": 1}] if alert else []
    query = {
        "expr": 'count by (alertname, namespace) (ALERTS{alertstate="firing"})',
        "eval_time": "3h",
        "exp_samples": fired,
    }
    return {"interval": "1m", "name": alert or "silence", "input_series": [*told], "promql_expr_test": [query]}


def promtool(*words: str | Path) -> None:
    done = subprocess.run([installed("promtool", "prometheus"), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """As the chart installs them in the namespace `hua`."""
    rule = next(resource for resource in render(values("watched")) if resource["kind"] == "PrometheusRule")
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rule["spec"]))
    return tmp_path / "rules.yaml"


def test_promtool_accepts_rules(rules: Path) -> None:
    promtool("check", "rules", "--lint-fatal", CHART / "files" / "alerts.yaml", rules)


def test_alerts_fire_only_for_their_own_namespace(rules: Path) -> None:
    installed_alerts = [
        rule["alert"] for group in yaml.safe_load(rules.read_text())["groups"] for rule in group["rules"]
    ]
    assert sorted(installed_alerts) == sorted(TROUBLE)
    cases = [expecting(None, *series(WELL | NEARLY, "hua"))]
    for alert, told in TROUBLE.items():
        cases.append(expecting(alert, *series(WELL | told, "hua"), *series(WELL, "other")))
        cases.append(expecting(None, *series(WELL, "hua"), *series(WELL | told, "other")))
    test = rules.with_name("test.yaml")
    test.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": cases}))
    promtool("test", "rules", test)
