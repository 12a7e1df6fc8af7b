"""The chart as helm renders it. `python -m tests.helm.chart` writes k8s/hua.yaml, which is just that."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.tools import TOOLS, build_lock, installed

ROOT = Path(__file__).parents[2]
CHART = ROOT / "helm" / "hua"
PLAIN = ROOT / "k8s" / "hua.yaml"
VALUES = Path(__file__).parent / "values"
SCHEMAS = Path(__file__).parent / "schemas"
PROGRAMS = {
    "helm": "helm.sh/helm/v4/cmd/helm@v4.3.1",
    "kubeconform": "github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0",
}
HELP = "tests of the chart need helm and kubeconform: install Go 1.26 or newer, so that they can build them"
HEAD = """\
# The chart with its default values, for those who would rather not use Helm; `make k8s` writes it.
# It expects a Secret `hua`, and Kafka, Redis and S3 where the ConfigMap says: ./dev has some for a try-out.
"""
Thing = dict[str, Any]


class RefusedError(Exception):
    """Helm does not take these values; the message is its own."""


@cache
def program(name: str) -> str:
    """Built where it is not there: tests of the chart are never left out."""
    module = PROGRAMS[name]
    built = TOOLS / f"{name}-{module.rpartition('@')[2]}"
    go = "" if built.exists() else installed("go", "golang-go")
    with build_lock():
        if not built.exists():
            _build(go, name, built)
    return str(built)


def _build(go: str, name: str, built: Path) -> None:
    draft = TOOLS / f"{name}.draft"
    install = [go, "install", "-ldflags=-s -w", PROGRAMS[name]]
    done = subprocess.run(install, env=os.environ | {"GOBIN": str(draft)}, capture_output=True, text=True)
    assert done.returncode == 0, f"{HELP}\n{done.stderr}"
    (draft / name).rename(built)
    shutil.rmtree(draft)


def helm(*words: str, values: object = None) -> str:
    """What helm prints; raises RefusedError. `values` come on its standard input."""
    given = ["--values", "-"] if values is not None else []
    done = subprocess.run(
        [program("helm"), *words, *given], input=yaml.safe_dump(values), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RefusedError(done.stderr)
    return done.stdout


def template(values: object = None, *more: str) -> str:
    return _template(json.dumps(values), *more)


@cache
def _template(values: str, *more: str) -> str:
    return helm("template", "hua", str(CHART), "--namespace", "hua", *more, values=json.loads(values))


def render(values: object = None, *more: str) -> list[Thing]:
    return things(template(values, *more))


def things(text: str) -> list[Thing]:
    return [thing for thing in yaml.load_all(text, yaml.CSafeLoader) if thing]


def plain() -> str:
    """The chart with default values, without its test."""
    return HEAD + template(None, "--skip-tests")


if __name__ == "__main__":
    PLAIN.write_text(plain(), encoding="utf-8")
