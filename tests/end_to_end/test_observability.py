"""What operators see of a running deployment. Its roles are processes of their own; only the device is a fake."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.parser import text_string_to_metric_families

from server.observability.metrics import METRICS
from tests.chaos.deployment import Deployment, running
from tests.support.callback_receiver import CallbackReceiver
from tests.support.tools import free_ports, until

FILES = Path(__file__).parent.parent.parent / "helm" / "hua" / "files"
ALERTS = Path(__file__).parent.parent.parent / "docs" / "alerts.md"
TENANT, PROMPT = "acme", "a lighthouse that nobody may read of"
ENDINGS = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


@dataclass(frozen=True)
class Observed:
    """A deployment that has finished one task and delivered its callback."""

    deployment: Deployment
    task: dict[str, Any]
    roles: dict[str, str]
    """The address of each role's metrics and probes, by role."""
    receiver: CallbackReceiver

    def metrics(self) -> str:
        return "".join(httpx.get(f"{url}/metrics", trust_env=False).text for url in self.roles.values())


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Observed]:
    first = free_ports(1)[0]
    with closing(CallbackReceiver()) as receiver:
        deployment = Deployment(tmp_path_factory.mktemp("observed"), [TENANT], limit=8, cluster=False)
        deployment.setting_texts |= {"metrics_port": str(first), "log_format": "json", "traces": receiver.url}
        with running(deployment, workers=1, controllers=1):
            addresses = set(re.findall(r"metrics and probes at (http://[\d.:]+)", _log(deployment)))
            roles = {_role(url): url for url in addresses} | {"api": deployment.url}
            yield Observed(deployment, _one_task(deployment, receiver), roles, receiver)


def _one_task(deployment: Deployment, receiver: CallbackReceiver) -> dict[str, Any]:
    params = {"text": PROMPT, "w": 64, "h": 64, "num_steps": 4}
    headers = {"Authorization": f"Bearer {TENANT}", "Prefer": "wait=60"}
    asked = {"type": "txt2img.sd", "params": params, "callback_url": f"{receiver.url}/done"}
    with httpx.Client(base_url=deployment.url, headers=headers, timeout=70, trust_env=False) as client:
        refused = client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": PROMPT, "w": PROMPT}})
        assert refused.status_code == 422
        reply = client.post("/v1/tasks", json=asked)
        assert reply.status_code in (200, 201, 202), reply.text
        task_id = reply.json()["id"]
        until(lambda: client.get(f"/v1/tasks/{task_id}").json()["status"] == "succeeded")
        until(lambda: any(path == "/done" for path, *_ in receiver.received))
        task: dict[str, Any] = client.get(f"/v1/tasks/{task_id}").json()
    return task


def _role(url: str) -> str:
    """Only an api says which of its parts are ready, and only a worker has a device, whose memory it tells."""
    if "parts" in httpx.get(f"{url}/readyz", trust_env=False).json():
        return "api"
    return "worker" if "hua_device_memory_bytes{" in httpx.get(f"{url}/metrics", trust_env=False).text else "controller"


def _log(deployment: Deployment) -> str:
    return (deployment.folder / "deployment.log").read_text()


def _names(text: str) -> set[str]:
    """Every name that a query may use of these metrics."""
    families = text_string_to_metric_families(text)
    return {family.name + ending for family in families for ending in ENDINGS.get(family.type, ())}


def _expressions() -> list[str]:
    panels = json.loads((FILES / "dashboard.json").read_text())["panels"]
    drawn = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [*drawn, *(rule["expr"] for rule in _rules())]


def _rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((FILES / "alerts.yaml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def test_metrics_of_dashboard_and_alerts_exist(observed: Observed) -> None:
    told = _names(observed.metrics())
    used = {name for expression in _expressions() for name in re.findall(r"hua_\w+", expression)}
    assert len(used) > 25
    assert used <= told, f"nobody tells {sorted(used - told)}"


def test_labels_of_dashboard_and_alerts_exist() -> None:
    labels = {metric.name: set(metric.labels) for metric in METRICS}
    for expression in _expressions():
        for name, selected in re.findall(r"(hua_\w+)\{([^}]*)\}", expression):
            told = labels[re.sub("_(bucket|sum|count)$", "", name)]
            assert set(re.findall(r"(\w+)=", selected)) <= told | {"namespace"}, expression
        used = re.findall(r"hua_[a-z_]+", expression)
        grouped = {label for group in re.findall(r"by \(([^)]*)\)", expression) for label in group.split(", ")}
        assert grouped <= {"le"}.union(*(labels[re.sub("_(bucket|sum|count)$", "", name)] for name in used)), expression


def test_roles_count_their_work(observed: Observed) -> None:
    text = observed.metrics()
    for sample in (
        'hua_tasks_accepted_total{class="normal",type="txt2img.sd"} 1.0',
        'hua_tasks_ended_total{class="normal",status="succeeded",type="txt2img.sd"} 1.0',
        'hua_images_made_total{type="txt2img.sd"} 1.0',
        'hua_callback_tries_total{result="delivered"} 1.0',
        *(
            f'hua_stage_seconds_count{{stage="{stage}"}} 1.0'
            for stage in ("wait", "fetch", "load", "denoise", "encode", "upload", "settle", "callback")
        ),
        "hua_batch_rows_count 4.0",
        'hua_model_loads_total{origin="disk"} 1.0',
        'hua_workers{state="ready"} 1.0',
        "hua_controller_leading 1.0",
        'hua_dependency_up{dependency="queue"} 1.0',
        'hua_dependency_up{dependency="bucket"} 1.0',
        'hua_dependency_up{dependency="broker"} 1.0',
    ):
        assert sample in text


@pytest.mark.parametrize(("role", "says"), [("worker", "ready"), ("controller", "reads the logs")])
def test_roles_without_api_have_probes(observed: Observed, role: str, says: str) -> None:
    url = observed.roles[role]
    assert httpx.get(f"{url}/healthz", trust_env=False).json() == {"status": "alive"}
    ready = httpx.get(f"{url}/readyz", trust_env=False)
    assert (ready.status_code, ready.json()) == (200, {"status": says})


def test_alerts_have_summary_and_runbook() -> None:
    sections = re.findall(r"^## (\w+)$", ALERTS.read_text(), re.MULTILINE)
    assert [rule["alert"] for rule in _rules()] == sections
    for rule in _rules():
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["runbook"] == f"docs/alerts.md#{rule['alert'].lower()}"


def _spans(receiver: CallbackReceiver) -> list[tuple[str, Span]]:
    """All that came, each with the name of its role."""
    requests = [
        ExportTraceServiceRequest.FromString(body) for path, body, _ in receiver.received if path == "/v1/traces"
    ]
    return [
        (next(fact.value.string_value for fact in one.resource.attributes if fact.key == "service.name"), span)
        for request in requests
        for one in request.resource_spans
        for scope in one.scope_spans
        for span in scope.spans
    ]


def test_trace_leads_from_request_to_callback(observed: Observed) -> None:
    """Through the log, the queue and the processes of all roles."""

    def of_task() -> list[tuple[str, Span]]:
        headers = next(headers for path, _, headers in observed.receiver.received if path == "/done")
        trace_id = bytes.fromhex(headers["traceparent"].split("-")[1])
        return [(role, span) for role, span in _spans(observed.receiver) if span.trace_id == trace_id]

    stages = {("hua-worker", stage) for stage in ("wait", "fetch", "denoise", "encode", "upload", "attempt", "report")}
    expected = stages | {("hua-api", "POST /v1/tasks"), ("hua-api", "publish")}
    expected |= {("hua-controller", "settle"), ("hua-controller", "callback")}
    until(lambda: expected <= {(role, span.name) for role, span in of_task()}, within_s=20)
    spans = [span for _, span in of_task()]
    known = {span.span_id for span in spans}
    roots = [span for span in spans if span.parent_span_id not in known]
    assert [span.name for span in roots] == ["POST /v1/tasks"]
    assert all(span.end_time_unix_nano >= span.start_time_unix_nano for span in spans)
    callback = next(span for span in spans if span.name == "callback")
    received = next(headers["traceparent"] for path, _, headers in observed.receiver.received if path == "/done")
    assert received.split("-")[2] == callback.span_id.hex()
    assert PROMPT.encode() not in b"".join(body for path, body, _ in observed.receiver.received if path == "/v1/traces")


def test_logs_follow_task_without_its_prompt(observed: Observed) -> None:
    log = _log(observed.deployment)
    lines = [json.loads(line) for line in log.splitlines()]
    told = [line["message"].split()[0] for line in lines if line.get("task") == observed.task["id"]]
    assert sorted(told) == sorted(["accepted", "→", "←", "settled"])  # the last two race
    assert {line["tenant"] for line in lines if line.get("task") == observed.task["id"]} == {TENANT}
    assert PROMPT not in log
