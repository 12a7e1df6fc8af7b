"""What else is in a cluster that the chart goes into: resources of operators, a namespace, classes of pods."""

from __future__ import annotations

import json
from typing import Any

from helm.render import Resource
from tests.helm.chart import SCHEMAS

CUSTOM = {
    "monitoring.coreos.com/v1": {
        "ServiceMonitor": "servicemonitor-monitoring-v1",
        "PodMonitor": "podmonitor-monitoring-v1",
        "PrometheusRule": "prometheusrule-monitoring-v1",
    },
    "keda.sh/v1alpha1": {"ScaledObject": "scaledobject-keda-v1alpha1"},
    "gateway.networking.k8s.io/v1": {"HTTPRoute": "httproute-gateway-v1"},
}
"""Kinds that are not Kubernetes' own, by group and version, and the files of their schemas."""

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
IN_PLACE: list[Resource] = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "hua", "labels": RESTRICTED}},
    *(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        for name in ("default", "hua", "drawing")
    ),
    {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "production"},
        "value": 1000,
    },
    {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "nvidia"}, "handler": "nvidia"},
]
"""Whatever pods of tests/helm/values ask for by name, in a namespace that demands the restricted standard."""


def definitions() -> list[Resource]:
    """A CustomResourceDefinition for each of CUSTOM."""
    return [
        _definition(*version.split("/"), kind, json.loads((SCHEMAS / f"{file}.json").read_text()))
        for version, kinds in CUSTOM.items()
        for kind, file in kinds.items()
    ]


def _definition(group: str, version: str, kind: str, schema: Any) -> Resource:
    plural = f"{kind.lower()}s"
    spec = _structural(schema["properties"]["spec"])
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{group}",
            "annotations": {"api-approved.kubernetes.io": "unapproved, of a test"},
        },
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower(), "listKind": f"{kind}List"},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
                }
            ],
        },
    }


def _structural(schema: Any) -> Any:
    """As Kubernetes wants it: no `additionalProperties: false`, and a mark on what may be a number or a string."""
    if isinstance(schema, list):
        return [_structural(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: _structural(value) for key, value in schema.items()}
    if kept.get("additionalProperties") is False:
        del kept["additionalProperties"]
    if "anyOf" in kept and "type" not in kept:
        kept["x-kubernetes-int-or-string"] = True
    return kept
