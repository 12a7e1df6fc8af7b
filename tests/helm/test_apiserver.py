"""What a real apiserver says of the chart: every object, every pod under the restricted standard, a release's life."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from helm.go_program import go_program
from helm.render import CHART, HELM, PLAIN, Resource, render, resources
from tests.helm.apiserver import BUILD, Apiserver, built
from tests.helm.chart import CASES, OPERATOR, pods, values
from tests.helm.resources import CUSTOM, IN_PLACE, definitions
from tests.support.tools import until

pytestmark = pytest.mark.skipif(not built().exists(), reason=f"{BUILD} builds what this needs, in some minutes")


@pytest.fixture(scope="module")
def apiserver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apiserver]:
    with Apiserver(tmp_path_factory.mktemp("apiserver")) as server:
        for resource in (*definitions(), *IN_PLACE):
            assert server.apply(resource) == []
        until(lambda: all(server.knows(version, kind) for version, kinds in CUSTOM.items() for kind in kinds))
        yield server


def deployment() -> Resource:
    return next(resource for resource in render() if resource["kind"] == "Deployment")


@pytest.mark.parametrize("case", CASES)
def test_apiserver_accepts_objects_without_warning(apiserver: Apiserver, case: str) -> None:
    chart = render(values(case), *OPERATOR)
    said = {
        f"{resource['kind']} {resource['metadata']['name']}": apiserver.apply(resource, dry_run=True)
        for resource in chart
    }
    assert {whose: words for whose, words in said.items() if words} == {}
    for whose, pod in pods(chart):
        # what a Deployment makes is refused only when it is made
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "made"}, "spec": pod["spec"]}
        assert apiserver.apply(made, dry_run=True) == [], whose


@pytest.mark.parametrize("file", [PLAIN, *sorted(PLAIN.parent.glob("dev/*.yaml"))], ids=lambda file: file.stem)
def test_apiserver_accepts_plain_manifests(apiserver: Apiserver, file: Path) -> None:
    said = [apiserver.apply(resource, dry_run=True) for resource in resources(file.read_text())]
    assert said == [[]] * len(said)


def test_apiserver_refuses_wrong_objects(apiserver: Apiserver) -> None:
    """Else the tests above would prove nothing."""
    unknown, unsafe = deployment(), deployment()
    unknown["spec"]["replicaCount"] = 2
    assert "field not declared in schema" in apiserver.apply(unknown, dry_run=True)[0]
    unsafe["spec"]["template"]["spec"]["hostNetwork"] = True
    assert "would violate PodSecurity" in apiserver.apply(unsafe, dry_run=True)[0]
    route = next(resource for resource in render(values("gateway")) if resource["kind"] == "HTTPRoute")
    route["spec"]["hostnames"] = "hua.example"
    assert apiserver.apply(route, dry_run=True) != []


def test_release_lifecycle_keeps_claim(apiserver: Apiserver) -> None:
    def helm(*words: str) -> str:
        command = [go_program("helm", HELM), *words, "--namespace", "hua", "--kubeconfig", str(apiserver.kubeconfig)]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, input=yaml.safe_dump(values("pools"))
        )
        assert (done.returncode, done.stderr) == (0, "")
        return done.stdout

    def settings() -> Resource:
        found = apiserver.get("v1", "ConfigMap", "released-hua-settings")
        assert found is not None
        return found["data"]

    helm("install", "released", str(CHART), "--values", "-")
    assert settings()["HUA_BUCKET"] == "s3://hua"
    assert apiserver.get("monitoring.coreos.com/v1", "PrometheusRule", "released-hua-alerts")
    changed = ("--set", "settings.bucket=s3://other", "--set-string", "image.cuda.tag=2,models.verify.revision=2")
    helm("upgrade", "released", str(CHART), "--values", "-", *changed)
    assert settings()["HUA_BUCKET"] == "s3://other"
    helm("rollback", "released", "1")
    assert settings()["HUA_BUCKET"] == "s3://hua"
    assert "released-hua-models" in helm("uninstall", "released")
    assert apiserver.get("v1", "PersistentVolumeClaim", "released-hua-models")
    assert apiserver.get("v1", "ConfigMap", "released-hua-settings") is None
