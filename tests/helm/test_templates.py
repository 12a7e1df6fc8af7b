"""The chart over a matrix of values: helm takes them, and Kubernetes' schemas take what comes of them."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from helm.go_program import go_program
from helm.render import CHART, PLAIN, ROOT, helm, plain, render, resources, template
from tests.helm.chart import CASES, KUBECONFORM, OPERATOR, SCHEMAS, values


@pytest.mark.parametrize("case", CASES)
def test_chart_passes_strict_lint(case: str) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), values=values(case))


def test_objects_match_kubernetes_schemas(tmp_path: Path) -> None:
    for case in CASES:
        (tmp_path / f"{case}.yaml").write_text(template(values(case)))
        (tmp_path / f"{case}-operator.yaml").write_text(template(values(case), *OPERATOR))
    for file in (PLAIN, *PLAIN.parent.glob("dev/*.yaml")):
        (tmp_path / f"plain-{file.name}").write_text(file.read_text())
    where = f"{SCHEMAS}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    command = [go_program("kubeconform", KUBECONFORM), "-strict", "-n", "2", "-schema-location", where, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_kubeconform_sees_unknown_key() -> None:
    """Else the test above would prove nothing."""
    where = f"{SCHEMAS}/{{{{ .ResourceKind }}}}{{{{ .KindSuffix }}}}.json"
    text = template(values("scaled")).replace("pollingInterval", "polingInterval")
    command = [go_program("kubeconform", KUBECONFORM), "-strict", "-schema-location", where]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout.count("polingInterval") == 2


def test_monitors_default_to_operator_presence() -> None:
    def monitors(case: str, *more: str) -> set[str]:
        return {resource["kind"] for resource in render(values(case), *more)} & {"ServiceMonitor", "PodMonitor"}

    both = {"ServiceMonitor", "PodMonitor"}
    assert monitors("defaults") == set()
    assert monitors("defaults", *OPERATOR) == both
    assert monitors("watched") == both
    assert monitors("bare", *OPERATOR) == set()


@pytest.mark.parametrize("version", ["1.27.0", "1.31.4-eks-7f9249a", "1.37.0"])
def test_chart_renders_for_kubernetes_version(version: str) -> None:
    assert render(values("scaled"), "--kube-version", version)


def test_plain_manifests_are_up_to_date() -> None:
    assert PLAIN.read_text() == plain(), "k8s/hua.yaml is out of date: run `make k8s`"


def test_dev_manifests_satisfy_plain_manifests() -> None:
    dev = [resource for file in (ROOT / "k8s" / "dev").glob("*.yaml") for resource in resources(file.read_text())]
    listening = {
        f"{resource['metadata']['name']}:{resource['spec']['ports'][0]['port']}"
        for resource in dev
        if resource["kind"] == "Service"
    }
    settings = next(resource for resource in render() if resource["kind"] == "ConfigMap")["data"]
    for setting in ("HUA_BROKER", "HUA_QUEUE", "HUA_S3_ENDPOINT"):
        assert settings[setting].split("://")[1].split("/")[0] in listening
    assert any(resource["kind"] == "Secret" and resource["metadata"]["name"] == "hua" for resource in dev)


def test_dev_manifests_use_images_of_chart() -> None:
    toys = resources((ROOT / "k8s" / "dev" / "toys.yaml").read_text())[0]
    image = toys["spec"]["template"]["spec"]["containers"][0]["image"]
    assert f"image: {image}\n" in PLAIN.read_text()


def test_alerts_are_limited_to_their_namespace() -> None:
    rule = next(resource for resource in render(values("watched")) if resource["kind"] == "PrometheusRule")
    assert rule["metadata"]["labels"]["release"] == "prometheus"
    here = re.compile(r'(?<=\{)namespace="hua", |\{namespace="hua"\}')
    for group in rule["spec"]["groups"]:
        for alert in group["rules"]:
            assert alert["labels"].pop("namespace") == "hua"
            assert len(here.findall(alert["expr"])) == len(re.findall(r"hua_\w+", alert["expr"]))
            alert["expr"] = here.sub("", alert["expr"])
    assert rule["spec"] == yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())


def test_dashboard_is_installed_unchanged() -> None:
    watched = render(values("watched"))
    dashboard = next(resource for resource in watched if resource["metadata"]["name"] == "hua-dashboard")
    assert json.loads(dashboard["data"]["hua.json"]) == json.loads((CHART / "files" / "dashboard.json").read_text())
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"


def test_scaler_query_uses_documented_metric() -> None:
    scaler = next(resource for resource in render(values("scaled")) if resource["kind"] == "ScaledObject")
    asked = re.findall(r"hua_\w+", scaler["spec"]["triggers"][0]["metadata"]["query"])
    assert [f"`{name}`" in (ROOT / "docs" / "metrics.md").read_text() for name in asked] == [True] * 2
