"""What every pod of the chart promises, whatever the values: how it runs, how it is watched, how it leaves."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from helm.render import CHART, Resource, render
from tests.helm.chart import CASES, OPERATOR, pods, values

ALLOWED_BY_RESTRICTED = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
"""Kinds of volumes: https://kubernetes.io/docs/concepts/security/pod-security-standards/"""


@pytest.fixture(params=CASES)
def chart(request: pytest.FixtureRequest) -> list[Resource]:
    return render(values(request.param), *OPERATOR)


def containers(chart: list[Resource]) -> Iterator[tuple[str, Resource]]:
    for whose, pod in pods(chart):
        for container in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]:
            yield f"{whose}, {container['name']}", container


def test_pods_are_restricted(chart: list[Resource]) -> None:
    """As namespaces with pod-security.kubernetes.io/enforce: restricted demand it, and a read-only root besides."""
    for whose, pod in pods(chart):
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True, whose
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, whose
        assert spec["automountServiceAccountToken"] is False, whose
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec), whose
        for volume in spec.get("volumes", []):
            assert set(volume) - {"name"} <= ALLOWED_BY_RESTRICTED, f"{whose}, {volume['name']}"
    for whose, container in containers(chart):
        security = container["securityContext"]
        assert security["allowPrivilegeEscalation"] is False, whose
        assert security["readOnlyRootFilesystem"] is True, whose
        assert security["capabilities"] == {"drop": ["ALL"]}, whose
        assert not any("hostPort" in port for port in container.get("ports", [])), whose


def test_service_links_are_disabled(chart: list[Resource]) -> None:
    """A Service hua-api would come as HUA_API_PORT, with which no role starts."""
    for whose, pod in pods(chart):
        assert pod["spec"]["enableServiceLinks"] is False, whose


def test_containers_have_requests_and_limits(chart: list[Resource]) -> None:
    for whose, container in containers(chart):
        assert {"cpu", "memory"} <= set(container["resources"]["requests"]), whose
        if container["name"] not in {"first", "beside", "copy"}:  # those of the operator
            assert "memory" in container["resources"]["limits"], whose


def test_images_have_tag_or_digest_and_never_latest(chart: list[Resource]) -> None:
    for whose, container in containers(chart):
        assert re.search(r":\w[\w.-]*$|@sha256:[0-9a-f]{64}$", container["image"]), whose
        assert not container["image"].endswith(":latest"), whose


def test_liveness_probes_check_no_dependency(chart: list[Resource]) -> None:
    for whose, pod in pods(chart):
        if not whose.startswith("Deployment"):
            continue
        container = pod["spec"]["containers"][0]
        named = {port["name"] for port in container["ports"]}
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["port"] in named, f"{whose}, {probe}"
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz", whose
        worker = "worker" in whose
        assert container["readinessProbe"]["httpGet"]["path"] == (
            "/healthz" if container["name"] == "api" else "/readyz"
        )
        warm_up_s = container["startupProbe"]["periodSeconds"] * container["startupProbe"]["failureThreshold"]
        assert warm_up_s >= (600 if worker else 60), whose


def test_pods_have_time_to_finish_tasks(chart: list[Resource]) -> None:
    for whose, pod in pods(chart):
        if not whose.startswith("Deployment"):
            continue
        container = pod["spec"]["containers"][0]
        drain_s = next((float(one["value"]) for one in container.get("env", []) if one["name"] == "HUA_DRAIN_S"), 0)
        assert ("worker" in whose) == (drain_s > 0)
        assert pod["spec"]["terminationGracePeriodSeconds"] >= drain_s + 30, whose


def test_root_is_read_only_and_writable_paths_are_mounted(chart: list[Resource]) -> None:
    for whose, pod in pods(chart):
        there = {volume["name"] for volume in pod["spec"].get("volumes", [])}
        for container in pod["spec"].get("initContainers", []) + pod["spec"]["containers"]:
            mounts = {mount["name"] for mount in container.get("volumeMounts", [])}
            assert mounts <= there, f"{whose}, {container['name']}"
        main = pod["spec"]["containers"][0]["volumeMounts"]
        assert {"name": "tmp", "mountPath": "/tmp"} in main, whose


def test_disruption_budgets_select_existing_pods(chart: list[Resource]) -> None:
    deployed = [
        resource["spec"]["template"]["metadata"]["labels"] for resource in chart if resource["kind"] == "Deployment"
    ]
    for budget in (resource for resource in chart if resource["kind"] == "PodDisruptionBudget"):
        assert sum(_selects(budget["spec"]["selector"], labels) for labels in deployed) == 1, budget["metadata"]["name"]


def test_selectors_find_only_their_own_pods(chart: list[Resource]) -> None:
    deployed = [resource for resource in chart if resource["kind"] == "Deployment"]
    for one in deployed:
        found = [
            other["metadata"]["name"]
            for other in deployed
            if _selects(one["spec"]["selector"], other["spec"]["template"]["metadata"]["labels"])
        ]
        assert found == [one["metadata"]["name"]]
    api = next(resource for resource in chart if resource["kind"] == "Service")
    selected = [one for one in deployed if _selects({"matchLabels": api["spec"]["selector"]}, _labels(one))]
    assert [one["metadata"]["labels"]["app.kubernetes.io/component"] for one in selected] == ["api"]


def test_network_policies_cover_every_pod(chart: list[Resource]) -> None:
    policies = [resource["spec"] for resource in chart if resource["kind"] == "NetworkPolicy"]
    if not policies:  # switched off
        return
    for whose, pod in pods(chart):
        mine = [one for one in policies if _selects(one["podSelector"], pod["metadata"]["labels"])]
        denied = {kind for one in mine for kind in one["policyTypes"] if not one.get(kind.lower())}
        assert denied == {"Ingress", "Egress"}, whose
        if "worker" in whose:
            way_in = [port["port"] for one in mine for rule in one.get("ingress", []) for port in rule["ports"]]
            assert way_in == ["metrics"]


def test_chart_creates_no_secret_and_no_role(chart: list[Resource]) -> None:
    kinds = {resource["kind"] for resource in chart}
    assert not kinds & {"Secret", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding", "Namespace"}


def test_names_are_short_and_unique(chart: list[Resource]) -> None:
    named = [(resource["kind"], resource["metadata"]["name"]) for resource in chart]
    assert len(named) == len(set(named))
    assert all(len(name) <= 63 for _, name in named)


def test_global_registry_applies_to_every_image() -> None:
    mirrored = render(values("air-gapped"), *OPERATOR)
    images = {container["image"] for _, container in containers(mirrored)}
    assert all(image.startswith("registry.corp.example:5000/mirror/") for image in images)
    assert {image.partition("@")[2] for image in images} >= {f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"}
    for whose, pod in pods(mirrored):
        assert pod["spec"]["imagePullSecrets"] == [{"name": "mirror"}], whose


def test_only_one_template_names_images() -> None:
    """So that the registry is that of the values everywhere, in whatever is added."""
    for file in CHART.glob("templates/**/*"):
        if file.is_file():
            for line in re.findall(r"^\s*(?:- )?image:.*$", file.read_text(), re.MULTILINE):
                assert 'include "hua.image"' in line, f"{file.name}: {line}"


def test_workers_have_one_gpu_and_no_surge() -> None:
    workers = [resource for resource in render(values("pools")) if "worker" in resource["metadata"]["name"]]
    deployed = {
        resource["metadata"]["labels"]["hua/pool"]: resource["spec"]
        for resource in workers
        if resource["kind"] == "Deployment"
    }
    resources = {"h200": "nvidia.com/gpu", "mig": "nvidia.com/mig-1g.18gb", "shared": "nvidia.com/gpu.shared"}
    for pool, resource in resources.items():
        container = deployed[pool]["template"]["spec"]["containers"][0]
        assert container["resources"]["limits"] == {"memory": "24Gi", resource: 1}
        assert container["resources"]["requests"] == {"cpu": "2", "memory": "10Gi", resource: 1}
        assert deployed[pool]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    h200 = deployed["h200"]["template"]["spec"]
    assert (h200["runtimeClassName"], h200["priorityClassName"]) == ("nvidia", "production")
    claims = [volume for volume in h200["volumes"] if volume["name"] == "models"]
    assert claims == [{"name": "models", "persistentVolumeClaim": {"claimName": "local-models"}}]
    verified = [pod["spec"]["volumes"][0] for whose, pod in pods(render(values("pools"))) if whose.startswith("Job")]
    assert [one["persistentVolumeClaim"]["claimName"] for one in verified] == ["hua-models", "local-models"]


def test_sixteen_gpu_workers_spread_over_four_nodes() -> None:
    [rtx] = [
        resource
        for resource in render(values("four-lanes"))
        if resource["metadata"]["name"] == "hua-worker-rtx" and resource["kind"] == "Deployment"
    ]
    assert rtx["spec"]["replicas"] == 16
    assert rtx["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": "25%"}
    pod = rtx["spec"]["template"]["spec"]
    assert pod["nodeSelector"] == {"nvidia.com/gpu.product": "Quadro-RTX-5000"}
    assert pod["topologySpreadConstraints"][0]["whenUnsatisfiable"] == "DoNotSchedule"
    assert pod["terminationGracePeriodSeconds"] == 330


def test_scaler_keeps_replicas_without_prometheus() -> None:
    scaled = render(values("scaled"))
    for deployment in (resource for resource in scaled if resource["kind"] == "Deployment"):
        assert ("replicas" in deployment["spec"]) == (deployment["metadata"]["name"] == "hua-controller")
    day, night = (resource["spec"] for resource in scaled if resource["kind"] == "ScaledObject")
    assert day["fallback"]["replicas"] == 4
    own = 'max(hua_group_queued_gpu_seconds{namespace="hua",group="day"})'
    assert day["triggers"][0]["metadata"]["query"] == f'{own} or max(hua_unclaimed_gpu_seconds{{namespace="hua"}})'
    [pod] = [
        resource
        for resource in scaled
        if resource["metadata"]["name"] == "hua-worker-day" and resource["kind"] == "Deployment"
    ]
    assert {"name": "HUA_WORKER_GROUP", "value": "day"} in pod["spec"]["template"]["spec"]["containers"][0]["env"]
    assert night["triggers"][0]["metadata"]["query"] == "max(hua_queued_gpu_seconds) / 2"
    assert (day["maxReplicaCount"], night["maxReplicaCount"]) == (8, 2)


@pytest.mark.parametrize(
    ("case", "ports"),
    [
        ("defaults", {9092, 6379, 7070}),
        ("aws", {9096, 6379, 443}),
        ("strimzi", {9093, 26379, 6379, 9000}),
        ("air-gapped", {9092, 6379, 7070, 3128, 8080, 443}),
    ],
)
def test_egress_ports_follow_settings(case: str, ports: set[int]) -> None:
    [policy] = [resource for resource in render(values(case)) if resource["metadata"]["name"] == "hua-dependencies"]
    assert {port["port"] for port in policy["spec"]["egress"][0]["ports"]} == ports


def _labels(deployment: Resource) -> dict[str, str]:
    return deployment["spec"]["template"]["metadata"]["labels"]


def _selects(selector: dict[str, Any], labels: dict[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(one["key"]) in one["values"] for one in selector.get("matchExpressions", [])
    )
