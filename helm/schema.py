"""Writes the chart's values.schema.json: `python -m helm.schema`. What `settings` may hold is what `Settings` has."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from server.settings import Settings

FILE = Path(__file__).parent / "hua" / "values.schema.json"
Schema = dict[str, Any]

SET_BY_THE_CHART = {
    "host": "api.host",
    "port": "api.port",
    "data_dir": "an emptyDir",
    "models_dir": "models",
    "tenants": "secrets.tenants",
    "drain_s": "worker.maxTaskSeconds",
    "metrics_host": "api.host",
    "s3_ca": "secrets.s3Ca",
    "s3_credentials_dir": "secrets.s3",
}
"""Settings that are not in `settings`, and the values from which they come."""

SECRET = frozenset(
    {
        "secret",
        "broker_user",
        "broker_password",
        "queue_user",
        "queue_password",
        "s3_access_key",
        "s3_secret_key",
        "s3_session_token",
        "llm_key",
        "moderation_key",
    }
)
"""Settings that come only from an existing Secret, so that they are not written into values."""


def record(**properties: Schema) -> Schema:
    """An object that has these keys and no others."""
    return {"type": "object", "additionalProperties": False, "properties": properties}


def each(of: Schema, **more: Any) -> Schema:
    return {"type": "array", "items": of, **more}


def one_of(*values: object) -> Schema:
    return {"enum": list(values)}


def matching(pattern: str) -> Schema:
    return {"type": "string", "pattern": pattern}


def whole(least: int, most: int | None = None) -> Schema:
    return {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})


def optional(of: Schema) -> Schema:
    return {"anyOf": [of, {"type": "null"}]}


TEXT: Schema = {"type": "string"}
SWITCH: Schema = {"type": "boolean"}
WORDS: Schema = {"type": "object", "additionalProperties": TEXT}
KUBERNETES: Schema = {"type": "object"}
"""An object whose keys are Kubernetes' own, which knows them better."""
NAME = matching(r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$|^$")
KEY = matching(r"^[-._a-zA-Z0-9]*$")
POOL_NAME = matching(r"^[a-z0-9]([-a-z0-9]{0,14}[a-z0-9])?$")
TAG = matching(r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$|^$") | {"not": {"const": "latest"}}
DIGEST = matching(r"^sha256:[0-9a-f]{64}$|^$")
REGISTRY = matching(r"^[a-z0-9.-]+(:\d+)?(/[a-z0-9._/-]+)?$|^$")
QUANTITY = {"anyOf": [matching(r"^\d+(\.\d+)?(m|[kKMGTP]i?)?$"), {"type": "number", "exclusiveMinimum": 0}]}
SHARE = {"anyOf": [whole(0), matching(r"^\d{1,3}%$")]}
PORT = whole(1, 65535)
PERIOD = matching(r"^(\d+(\.\d+)?(ms|s|m|h))+$")
URL = matching(r"^https?://[^\s]+$|^$")
ENABLED = one_of("auto", True, False)
RESOURCES = record(
    requests={"type": "object", "additionalProperties": QUANTITY},
    limits={"type": "object", "additionalProperties": QUANTITY},
)
BUDGET = record(enabled=SWITCH, maxUnavailable=SHARE)
IMAGE = record(tag=TAG, digest=DIGEST)
AUTHORITY = {"secret": NAME, "configMap": NAME}
MODELS = record(existingClaim=NAME, subPath=TEXT | {"not": matching(r"^/|\.\.")})

POD: dict[str, Schema] = {
    "labels": WORDS,
    "annotations": WORDS,
    "extraEnv": each(KUBERNETES | {"required": ["name"]}),
    "extraEnvFrom": each(KUBERNETES),
    "extraVolumes": each(KUBERNETES | {"required": ["name"]}),
    "extraVolumeMounts": each(KUBERNETES | {"required": ["name", "mountPath"]}),
    "extraContainers": each(KUBERNETES | {"required": ["name", "image"]}),
    "initContainers": each(KUBERNETES | {"required": ["name", "image"]}),
    "nodeSelector": WORDS,
    "tolerations": each(KUBERNETES),
    "affinity": KUBERNETES,
    "topologySpreadConstraints": each(KUBERNETES | {"required": ["maxSkew", "topologyKey", "whenUnsatisfiable"]}),
    "priorityClassName": NAME,
    "runtimeClassName": NAME,
    "schedulerName": NAME,
    "hostAliases": each(record(ip=TEXT, hostnames=each(TEXT))),
    "dnsPolicy": one_of("", "ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"),
    "dnsConfig": KUBERNETES,
    "revisionHistoryLimit": whole(0),
    "command": each(TEXT),
    "args": each(TEXT),
    "lifecycle": KUBERNETES,
    "podSecurityContext": KUBERNETES,
    "securityContext": KUBERNETES,
    "resources": RESOURCES,
}
"""What every role may say of its pods."""


def _references(place: str, names: Iterable[str]) -> dict[str, Schema]:
    """Properties as they are defined at another place of the schema."""
    return {name: {"$ref": f"#/{place}/properties/{name}"} for name in names}


def settings() -> Schema:
    """What may stand in `settings`, with the meaning and the bounds of each."""
    properties = Settings.model_json_schema()["properties"]
    left_out = SECRET.union(SET_BY_THE_CHART)
    return record(**{name: _setting(schema) for name, schema in properties.items() if name not in left_out})


def _setting(schema: Schema) -> Schema:
    value = {key: value for key, value in schema.items() if key not in {"title", "default", "format"}}
    if value.get("type") == "array":
        return {"description": value.pop("description"), "anyOf": [value, TEXT]}
    return value


def worker() -> dict[str, Schema]:
    return _references("properties/pod", POD) | {
        "replicas": whole(0),
        "gpu": record(resource=matching(r"^([a-z0-9.-]+/[A-Za-z0-9._-]+)?$"), product=KEY),
        "settings": {"$ref": "#/properties/settings"},
        "maxTaskSeconds": whole(1, 86400),
        "maxUnavailable": {"anyOf": [whole(1), matching(r"^([1-9]\d?|100)%$")]},
        "warmUpSeconds": whole(10, 7200),
        "sharedMemory": QUANTITY,
        "scratch": QUANTITY,
        "models": MODELS,
        "podDisruptionBudget": BUDGET,
        "autoscaling": record(
            enabled=SWITCH,
            minReplicas=whole(1),
            maxReplicas=whole(1),
            prometheus=URL,
            query=TEXT,
            secondsPerWorker=whole(1),
            cooldownSeconds=whole(0, 3600),
            authentication=NAME,
        ),
    }


def api() -> dict[str, Schema]:
    return _references("properties/pod", POD) | {
        "replicas": whole(1),
        "host": matching(r"^[0-9a-fA-F.:]+$"),
        "port": whole(1024, 65535),
        "drainSeconds": whole(0, 300),
        "probes": record(readinessPath=one_of("/healthz", "/readyz")),
        "autoscaling": record(enabled=SWITCH, minReplicas=whole(1), maxReplicas=whole(1), targetCPU=whole(1, 100)),
        "podDisruptionBudget": BUDGET,
        "service": record(
            type=one_of("ClusterIP", "NodePort", "LoadBalancer"),
            port=PORT,
            annotations=WORDS,
            nodePort=optional(whole(1, 65535)),
            loadBalancerIP=TEXT,
            ipFamilyPolicy=one_of("", "SingleStack", "PreferDualStack", "RequireDualStack"),
        ),
    }


def secrets() -> Schema:
    login = {"name": NAME, "user": TEXT, "userKey": KEY, "passwordKey": KEY}
    return record(
        settings=NAME,
        tenants=record(name=NAME, key=KEY),
        kafka=record(**login),
        kafkaCa=record(**AUTHORITY),
        redis=record(**login),
        s3=record(name=NAME),
        s3Ca=record(**AUTHORITY, key=KEY),
    )


def models() -> Schema:
    own = record(
        claim=record(
            size=QUANTITY,
            storageClassName=NAME,
            accessModes=each(one_of("ReadWriteMany", "ReadWriteOnce", "ReadOnlyMany", "ReadWriteOncePod"), minItems=1),
            annotations=WORDS,
        ),
        verify=record(
            enabled=SWITCH,
            revision=TEXT,
            waitSeconds=whole(1),
            fill=each(KUBERNETES | {"required": ["name", "image"]}),
            resources=RESOURCES,
        ),
    )
    return record(**MODELS["properties"], **own["properties"])


def ways_in() -> dict[str, Schema]:
    """How the api is reached from outside."""
    ingress = record(
        enabled=SWITCH,
        className=NAME,
        annotations=WORDS,
        hosts=each(matching(r"^(\*\.)?[a-z0-9.-]+$")),
        path=matching("^/"),
        tls=each(record(secretName=NAME, hosts=each(TEXT))),
    )
    route = record(
        enabled=SWITCH,
        annotations=WORDS,
        parentRefs=each(KUBERNETES | {"required": ["name"]}),
        hostnames=each(matching(r"^(\*\.)?[a-z0-9.-]+$")),
        requestTimeout=PERIOD,
    )
    return {"ingress": _requiring(ingress, "hosts"), "httpRoute": _requiring(route, "parentRefs")}


def _requiring(schema: Schema, key: str) -> Schema:
    """With `enabled`, the list under this key is not empty."""
    needed = {"required": [key], "properties": {key: {"minItems": 1}}}
    return schema | {"if": {"properties": {"enabled": {"const": True}}, "required": ["enabled"]}, "then": needed}


def network_policy() -> Schema:
    return record(
        enabled=SWITCH,
        clients=each(KUBERNETES),
        scrapers=each(KUBERNETES),
        dns=each(KUBERNETES),
        dependencies=each(KUBERNETES),
        ports=each(PORT),
        web=each(KUBERNETES),
        webPorts=each(PORT, minItems=1),
    )


def monitoring() -> Schema:
    return record(
        monitors=record(enabled=ENABLED, interval=PERIOD, labels=WORDS),
        rules=record(enabled=ENABLED, labels=WORDS),
        dashboard=record(enabled=SWITCH, labels=WORDS, annotations=WORDS),
    )


def values() -> Schema:
    """The whole of values.schema.json."""
    top = record(
        nameOverride=NAME,
        fullnameOverride=NAME,
        commonLabels=WORDS,
        **{"global": record(imageRegistry=REGISTRY, imagePullSecrets=each(NAME))},
        image=record(
            registry=REGISTRY,
            repository=matching(r"^[a-z0-9]+([._/-][a-z0-9]+)*$"),
            pullPolicy=one_of("Always", "IfNotPresent", "Never"),
            slim=IMAGE,
            cuda=IMAGE,
        ),
        settings=settings(),
        secrets=secrets(),
        models=models(),
        pod=record(**POD),
        serviceAccount=record(create=SWITCH, name=NAME, annotations=WORDS),
        api=record(**api()),
        **ways_in(),
        controller=record(**_references("properties/pod", POD), replicas=whole(1, 3), podDisruptionBudget=BUDGET),
        worker=record(**worker()),
        workerPools=each(
            record(name=POOL_NAME, **_references("properties/worker", worker())) | {"required": ["name"]}, minItems=1
        ),
        networkPolicy=network_policy(),
        monitoring=monitoring(),
        tests=record(
            apiKey=record(name=NAME, key=KEY),
            task=record(type=TEXT, params=KUBERNETES) | {"required": ["type", "params"]},
            timeoutSeconds=whole(1, 3600),
        ),
    )
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of the chart hua", **top}


if __name__ == "__main__":
    FILE.write_text(json.dumps(values(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
