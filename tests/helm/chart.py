"""What tests of the chart share: cases of values, pods of a rendered chart, and the programs that judge it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from helm.go_program import go_program, path_of
from helm.render import HELM, Resource
from tests.support.tools import build_lock, installed

VALUES = Path(__file__).parent / "values"
SCHEMAS = Path(__file__).parent / "schemas"
CASES = sorted(path.stem for path in VALUES.glob("*.yaml"))
OPERATOR = ("--api-versions", "monitoring.coreos.com/v1")
"""Options with which Helm believes that the Prometheus operator is installed."""
KUBECONFORM = "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0"


def build_programs() -> None:
    """Builds helm and kubeconform where they are missing, so no test is skipped for them."""
    for name, module in (("helm", HELM), ("kubeconform", KUBECONFORM)):
        if not path_of(name, module).exists():
            installed("go", "golang-go")
            with build_lock():
                go_program(name, module)


def values(case: str) -> object:
    return yaml.safe_load((VALUES / f"{case}.yaml").read_text())


def pods(chart: list[Resource]) -> Iterator[tuple[str, Resource]]:
    """Every pod of the chart, its test's too: the kind and name of its owner, and its template."""
    for resource in chart:
        owner = f"{resource['kind']} {resource['metadata']['name']}"
        if resource["kind"] == "Pod":
            yield owner, resource
        elif resource["kind"] in {"Deployment", "Job"}:
            yield owner, resource["spec"]["template"]
