"""From one version of the chart to the next nothing changes that Kubernetes lets nobody change."""

import shutil
from pathlib import Path

import pytest
import yaml

from helm.render import CHART, Resource, helm, render, resources
from tests.helm.chart import CASES, values

FIXED = {
    "Deployment": ("selector",),
    "PersistentVolumeClaim": ("accessModes", "storageClassName", "volumeName"),
    "Job": ("selector", "template", "completions"),
    "Service": ("clusterIP",),
}
"""What of a spec may not change while the object lives."""


@pytest.fixture(scope="module")
def next_chart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("next") / "hua"
    shutil.copytree(CHART, folder)
    about = yaml.safe_load((folder / "Chart.yaml").read_text())
    (folder / "Chart.yaml").write_text(yaml.safe_dump(about | {"version": "9.9.9", "appVersion": "9.9.9"}))
    return folder


@pytest.mark.parametrize("case", CASES)
def test_new_version_changes_no_immutable_field(case: str, next_chart: Path) -> None:
    before = _fixed(render(values(case)))
    after = _fixed(resources(helm("template", "hua", str(next_chart), "--namespace", "hua", values=values(case))))
    assert {name: before[name] for name in before.keys() & after.keys()} == {
        name: after[name] for name in before.keys() & after.keys()
    }
    assert {name for name in before if name[0] != "Job"} == {name for name in after if name[0] != "Job"}


def test_new_values_change_no_immutable_field() -> None:
    before = _fixed(render())
    for changed in (
        {"image": {"slim": {"tag": "2"}, "cuda": {"tag": "2"}}},
        {"pod": {"labels": {"a": "b"}, "priorityClassName": "high"}},
        {"commonLabels": {"a": "b"}},
        {"models": {"verify": {"revision": "2"}}},
        {"worker": {"gpu": {"product": "Tesla-T4"}}, "settings": {"retention": "7d"}},
    ):
        after = _fixed(render(changed))
        assert all(before[name] == after[name] for name in before.keys() & after.keys()), changed


def test_new_revision_creates_new_verify_job() -> None:
    def job(given: object) -> str:
        return next(resource["metadata"]["name"] for resource in render(given) if resource["kind"] == "Job")

    assert job({}) == job({"settings": {"retention": "7d"}})
    assert job({}) != job({"models": {"verify": {"revision": "2"}}})


def _fixed(chart: list[Resource]) -> dict[tuple[str, str], list[object]]:
    return {
        (resource["kind"], resource["metadata"]["name"]): [resource["spec"].get(key) for key in FIXED[resource["kind"]]]
        for resource in chart
        if resource["kind"] in FIXED
    }
