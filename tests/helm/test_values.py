"""Which values the chart takes, and which it refuses, saying where."""

import json
import re
from typing import Any

import pytest
import yaml

from helm import schema
from helm.render import CHART, ROOT, RefusedError, Resource, render
from server.settings import PREFIX, Settings
from tests.helm.chart import CASES, values

FULL = {"broker": "kafka://k:9092", "queue": "redis://r:6379", "bucket": "s3://b"}


def wrong(path: str, value: object) -> tuple[dict[str, Any], str]:
    """Values with one resource in them, and where helm has to say that it is."""
    tree: Any = value
    for part in reversed(path.split(".")):
        tree = [tree] if part == "0" else {part: tree}
    return tree, "/" + path.replace(".", "/")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        wrong("imge", {}),
        wrong("image.tag", "1"),
        wrong("image.slim.tag", "latest"),
        wrong("image.cuda.digest", "sha256:1234"),
        wrong("image.pullPolicy", "Sometimes"),
        wrong("image.registry", "https://registry.example"),
        wrong("global.imageRegistry", "registry.example/UPPER"),
        wrong("global.imagePullSecrets", [{"name": "mirror"}]),
        wrong("settings.retentoin", "7d"),
        wrong("settings.retention", "2h"),
        wrong("settings.task_limit", 0),
        wrong("settings.max_pixels", "many"),
        wrong("settings.s3_addressing", "virtua"),
        wrong("settings.s3_verify_tls", "yes"),
        wrong("settings.log_format", "xml"),
        wrong("settings.device", "gpu"),
        wrong("settings.secret", "typed into values"),
        wrong("settings.s3_secret_key", "typed into values"),
        wrong("settings.broker_password", "typed into values"),
        wrong("settings.host", "0.0.0.0"),
        wrong("settings.drain_s", 30),
        wrong("secrets.kafka.password", "typed into values"),
        wrong("secrets.tenants", "hua-tenants"),
        wrong("models.existingClaim", "No_Name"),
        wrong("models.subPath", "../other"),
        wrong("models.claim.accessModes", ["ReadWriteSome"]),
        wrong("models.claim.size", "100 GB"),
        wrong("models.verify.waitSeconds", 0),
        wrong("pod.extraEnv.0", {"value": "without a name"}),
        wrong("pod.tolerations", {}),
        wrong("api.replicas", 0),
        wrong("api.port", 80),
        wrong("api.host", "localhost"),
        wrong("api.probes.readinessPath", "/metrics"),
        wrong("api.service.type", "ExternalName"),
        wrong("api.autoscaling.targetCPU", 400),
        wrong("api.hostNetwork", True),
        wrong("ingress.hosts", ["https://hua.example"]),
        wrong("controller.replicas", 4),
        wrong("worker.gpu.resource", "gpu"),
        wrong("worker.gpu.count", 4),
        wrong("worker.maxTaskSeconds", 0),
        wrong("worker.maxUnavailable", 0),
        wrong("worker.resources.requests.memory", "lots"),
        wrong("worker.podDisruptionBudget.maxUnavailable", "a few"),
        wrong("workerPools", []),
        wrong("workerPools.0", {"name": "A pool"}),
        wrong("workerPools.0", {"name": "a", "gpus": 4}),
        wrong("workerPools.0", {"replicas": 4}),
        wrong("networkPolicy.ports", ["9092"]),
        wrong("networkPolicy.webPorts", [0]),
        wrong("monitoring.monitors.enabled", "perhaps"),
        wrong("monitoring.monitors.interval", 15),
        wrong("tests.task.type", 7),
    ],
)
def test_schema_error_names_wrong_value(given: dict[str, Any], says: str) -> None:
    parent, _, key = says.rpartition("/")
    with pytest.raises(RefusedError) as caught:
        render(given)
    message = str(caught.value)
    assert says in message or (f"at '{parent}'" in message and f"'{key}'" in message)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"ingress": {"enabled": True}}, "/ingress/hosts"),
        ({"httpRoute": {"enabled": True}}, "/httpRoute/parentRefs"),
        ({"workerPools": [{"name": "a"}, {"name": "a"}]}, "two pools are called a"),
        ({"settings": {"broker": ""}, "secrets": {"settings": ""}}, "settings.broker is empty"),
        ({"settings": {"queue": ""}, "secrets": {"settings": ""}}, "settings.queue is empty"),
        ({"settings": {"queue": "memory://"}}, "pods share no machine"),
        ({"settings": {"bucket": "file://"}}, "pods share no machine"),
        ({"settings": {"metrics_port": 0}}, "probes workers"),
        ({"secrets": {"kafka": {"passwordKey": "password"}}}, "set secrets.kafka.name"),
        ({"secrets": {"redis": {"userKey": "user"}}}, "set secrets.redis.name"),
    ],
)
def test_contradicting_values_are_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        render(given)


def test_schema_is_up_to_date() -> None:
    written = json.loads(schema.FILE.read_text())
    assert written == schema.values(), "values.schema.json is out of date: run `make k8s`"


def test_schema_allows_no_unknown_keys() -> None:
    def check(node: Any, path: str) -> None:
        if isinstance(node, dict):
            if "properties" in node and node.get("type") == "object":
                assert node["additionalProperties"] is False, path
            for key, value in node.items():
                check(value, f"{path}/{key}")

    check(schema.values(), "")


def test_values_have_comment_for_every_section() -> None:
    text = (CHART / "values.yaml").read_text()
    lines = text.splitlines()
    for key in yaml.safe_load(text):
        before = lines[lines.index(next(line for line in lines if line.startswith(f"{key}:"))) - 1]
        assert before.startswith("#") or key in {"global", "image", "ingress"}, f"{key} has no comment"


def test_every_setting_can_be_set() -> None:
    """By `settings`, by a value of its own, or from a Secret; and none of the lists names one that is not."""
    known = set(Settings.model_fields)
    ways = [set(schema.settings()["properties"]), set(schema.SET_BY_THE_CHART), set(schema.SECRET)]
    assert set().union(*ways) == known
    assert sum(map(len, ways)) == len(known)


def test_settings_become_environment_variables() -> None:
    given = FULL | {
        "max_pixels": 9437184,
        "s3_timeout_s": 12.5,
        "warm_up": False,
        "egress_allow": ["10.0.0.0/8", ".corp.example"],
        "cors": "https://a.example,https://b.example",
        "host_memory": "16GiB",
    }
    data = _named(render({"settings": given}), "ConfigMap", "hua-settings")["data"]
    assert data["HUA_MAX_PIXELS"] == "9437184"
    assert data["HUA_S3_TIMEOUT_S"] == "12.5"
    assert data["HUA_WARM_UP"] == "false"
    assert data["HUA_EGRESS_ALLOW"] == "10.0.0.0/8,.corp.example"
    assert data["HUA_CORS"] == "https://a.example,https://b.example"
    assert data["HUA_HOST_MEMORY"] == "16GiB"


@pytest.mark.parametrize("case", [case for case in CASES if case != "aws"])
def test_server_accepts_environment_of_every_role(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of each container, as Kubernetes would make it, is one with which the role starts."""
    given = render(values(case))
    for deployment in (resource for resource in given if resource["kind"] == "Deployment"):
        environment = _environment(deployment, given) | {"HUA_API_KEYS": f"acme:{'0' * 64}"}
        with monkeypatch.context() as patched:
            for name, value in environment.items():
                if name.startswith(PREFIX):
                    patched.setenv(name, value)
            settings = Settings.load()
        role = deployment["metadata"]["labels"]["app.kubernetes.io/component"]
        assert settings.loopback == (role != "api")
        assert settings.host == "0.0.0.0" or settings.metrics_host == "0.0.0.0" or case == "gateway"
        assert settings.broker.startswith("kafka")
        assert settings.queue.startswith("redis")
        if case == "strimzi":
            assert "//hua:x%40y@kafka-bootstrap" in settings.broker
            assert "//x%40y:x%40y@sentinel-0" in settings.queue


def test_values_of_docs_page_are_accepted() -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text()
    examples = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)]
    assert examples
    for example in examples:
        names = {resource["metadata"]["name"] for resource in render(example)}
        assert f"hua-worker-{example['workerPools'][0]['name']}" in names


def test_public_url_defaults_to_address_of_api() -> None:
    def public_url(given: object) -> str:
        return _named(render(given), "ConfigMap", "hua-settings")["data"]["HUA_PUBLIC_URL"]

    assert public_url({}) == "http://hua-api.hua.svc:80"
    assert public_url(values("ingress")) == public_url(values("gateway")) == "https://hua.example"
    assert public_url({"settings": {"public_url": "https://a.example/hua"}}) == "https://a.example/hua"


def test_changed_setting_restarts_pods() -> None:
    def checksums(given: object) -> set[str]:
        pods = [resource["spec"]["template"] for resource in render(given) if resource["kind"] == "Deployment"]
        return {pod["metadata"]["annotations"]["checksum/settings"] for pod in pods}

    assert len(checksums({})) == 1
    assert checksums({}) != checksums({"settings": {"retention": "7d"}})


def _environment(deployment: Resource, given: list[Resource]) -> dict[str, str]:
    """What the role's container finds; each key of a Secret is `x@y`."""
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    found: dict[str, str] = {}
    for source in container["envFrom"]:
        if "configMapRef" in source and not source["configMapRef"].get("optional"):
            found |= _named(given, "ConfigMap", source["configMapRef"]["name"])["data"]
    for variable in container.get("env", []):
        found[variable["name"]] = variable.get("value", "x@y")
    return found


def _named(given: list[Resource], kind: str, name: str) -> Resource:
    return next(resource for resource in given if (resource["kind"], resource["metadata"]["name"]) == (kind, name))
