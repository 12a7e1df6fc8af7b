"""The chart as Helm renders it. `python -m helm.render` writes k8s/hua.yaml, the chart with its default values."""

from __future__ import annotations

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from helm.go_program import go_program

ROOT = Path(__file__).parents[1]
CHART = ROOT / "helm" / "hua"
PLAIN = ROOT / "k8s" / "hua.yaml"
HELM = "helm.sh/helm/v4/cmd/helm@v4.3.1"
HEAD = """\
# The chart with its default values, for clusters without Helm. `make k8s` writes this file.
# It expects a Secret `hua`, and Kafka, Redis and S3 at the addresses of the ConfigMap; ./dev has some for a trial.
"""
Resource = dict[str, Any]


class RefusedError(Exception):
    """Helm refuses these values; the message is Helm's."""


def helm(*words: str, values: object = None) -> str:
    """What `helm WORDS…` prints. `values` come on its standard input. Raises RefusedError."""
    options = ["--values", "-"] if values is not None else []
    command = [go_program("helm", HELM), *words, *options]
    result = subprocess.run(command, input=yaml.safe_dump(values), capture_output=True, text=True, check=False)
    if result.returncode:
        raise RefusedError(result.stderr)
    return result.stdout


def template(values: object = None, *options: str) -> str:
    """The YAML of the chart with these values, in the namespace `hua`. Raises RefusedError."""
    return _template(json.dumps(values), *options)


@cache
def _template(values: str, *options: str) -> str:
    return helm("template", "hua", str(CHART), "--namespace", "hua", *options, values=json.loads(values))


def render(values: object = None, *options: str) -> list[Resource]:
    return resources(template(values, *options))


def resources(text: str) -> list[Resource]:
    """The documents of a YAML text."""
    return [resource for resource in yaml.load_all(text, yaml.CSafeLoader) if resource]


def plain() -> str:
    """The text of k8s/hua.yaml: default values, without the test pod."""
    return HEAD + template(None, "--skip-tests")


if __name__ == "__main__":
    PLAIN.write_text(plain(), encoding="utf-8")
