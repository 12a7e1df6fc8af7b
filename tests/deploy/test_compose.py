"""deploy/compose.yaml as far as it can be checked without Docker: by the reference parser of its specification, by our
settings and command line, and by the S3 server that it starts."""

import os
import re
import signal
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from helm.go_program import go_program
from server.__main__ import _parser
from server.settings import Settings
from server.worker.worker import PARK_S
from tests.support import kafka_server, s3_server
from tests.support.tools import build_lock, free_port, until_it_answers

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy"
PARSER = "github.com/compose-spec/compose-go/v2/cmd@v2.16.2"
FILLED_IN = {
    "MODELS": "/srv/models",
    "HUA_SECRET": "secret",
    "HUA_S3_ACCESS_KEY": "hua",
    "HUA_S3_SECRET_KEY": "key-of-hua",
}
VARIABLE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


def interpolated(environment: dict[str, str]) -> str:
    """The file with `${NAME:-default}` and `${NAME:?message}` filled in."""

    def value(variable: re.Match[str]) -> str:
        name, operator, word = variable.groups()
        return environment[name] if operator == "?" else environment.get(name) or word or ""

    return VARIABLE.sub(value, (FOLDER / "compose.yaml").read_text())


@pytest.fixture
def services() -> dict[str, Any]:
    return yaml.safe_load(interpolated(FILLED_IN))["services"]


@pytest.fixture
def roles(services: dict[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in services.items() if each["image"].startswith("hua:")}


def read_env(file: Path) -> dict[str, str]:
    lines = (line.partition("=") for line in file.read_text().splitlines() if re.match(r"\w", line))
    return {name: value for name, _, value in lines}


def check(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What the parser says that `docker compose` has: it checks the file against the schema."""
    with build_lock():
        parser = go_program("compose-spec", PARSER)
    (folder / "compose.yaml").write_text(text)
    return subprocess.run([parser, "compose.yaml"], cwd=folder, capture_output=True, text=True, check=False)


def test_file_follows_the_specification(tmp_path: Path) -> None:
    done = check(interpolated(FILLED_IN), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


def test_parser_refuses_unknown_words(tmp_path: Path) -> None:
    assert check(interpolated(FILLED_IN).replace("  restart: ", "  restarts: "), tmp_path).returncode != 0


def test_services_and_volumes_that_are_named_exist(services: dict[str, Any]) -> None:
    volumes = yaml.safe_load(interpolated(FILLED_IN))["volumes"]
    for service in services.values():
        assert service.get("depends_on", {}).keys() <= services.keys()
        for volume in service.get("volumes", []):
            assert volume.startswith("/") or volume.partition(":")[0] in volumes
    for name, service in services.items():
        for other, wait in service.get("depends_on", {}).items():
            assert wait["condition"] != "service_healthy" or "healthcheck" in services[other], (name, other)


def test_example_has_every_variable_and_only_settings() -> None:
    example = read_env(FOLDER / "example.env")
    required = {
        name for name, operator, _ in VARIABLE.findall((FOLDER / "compose.yaml").read_text()) if operator == "?"
    }
    assert required <= example.keys() == FILLED_IN.keys()


def test_settings_of_every_role_are_accepted(roles: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, role in roles.items():
        for variable in [name for name in os.environ if name.startswith("HUA_")]:
            monkeypatch.delenv(variable)
        for variable, value in (FILLED_IN | role["environment"]).items():
            monkeypatch.setenv(variable, value)
        settings = Settings.load()
        assert (settings.queue, settings.bucket) == ("redis://redis:6379/0", "s3://hua"), name
        assert settings.data_dir == Path("/data")


def test_commands_are_roles(roles: dict[str, Any]) -> None:
    for role in roles.values():
        _parser().parse_args(role["command"])
    assert {role["command"][0] for role in roles.values()} == {"api", "controller", "worker"}


def test_each_worker_has_a_gpu_of_its_own(roles: dict[str, Any]) -> None:
    workers = [role for name, role in roles.items() if name.startswith("worker-")]
    devices = [device for worker in workers for device in worker["deploy"]["resources"]["reservations"]["devices"]]
    assert [device["device_ids"] for device in devices] == [["0"], ["1"], ["2"], ["3"]]
    assert all("cuda" in worker["image"] for worker in workers)


def test_images_are_pinned_to_versions_that_are_tested(services: dict[str, Any]) -> None:
    tags = dict(service["image"].rsplit(":", 1) for service in services.values())
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert {service["image"] for service in services.values() if "build" in service} == {
        f"hua:{version}-{target}" for target in ("slim", "cuda")
    }
    assert tags["docker.io/apache/kafka"] == kafka_server.VERSION
    assert tags["ghcr.io/versity/versitygw"] == s3_server.VERSION
    assert re.fullmatch(r"\d+\.\d+\.\d+", tags["docker.io/library/redis"])


def test_stores_are_those_of_the_trial_cluster(services: dict[str, Any]) -> None:
    """k8s/dev was tried with these words; only the folder and the memory differ."""
    documents = yaml.safe_load_all((ROOT / "k8s" / "dev" / "kafka.yaml").read_text())
    [container] = next(each for each in documents if each["kind"] == "Deployment")["spec"]["template"]["spec"][
        "containers"
    ]
    there = {variable["name"]: variable["value"] for variable in container["env"]}
    here = services["kafka"]["environment"]
    different = {name for name in there.keys() | here.keys() if there.get(name) != here.get(name)}
    assert different == {"KAFKA_LOG_DIRS", "KAFKA_HEAP_OPTS", "KAFKA_AUTO_CREATE_TOPICS_ENABLE"}


def test_only_the_api_is_published_and_only_to_this_machine(services: dict[str, Any]) -> None:
    ports = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert ports == {"api": ["127.0.0.1:8000:8000"]}


def test_roles_cannot_write_but_their_data(roles: dict[str, Any]) -> None:
    for role in roles.values():
        assert role["read_only"]
        assert role["cap_drop"] == ["ALL"]
        writable = [volume for volume in role["volumes"] if not volume.endswith(":ro")]
        assert writable == ["data:/data"]
    assert "/data" in (ROOT / "Dockerfile.cuda").read_text().partition("useradd")[2].partition("USER")[0]


def test_tasks_have_time_to_be_handed_over(roles: dict[str, Any]) -> None:
    for role in roles.values():
        assert int(role["stop_grace_period"].removesuffix("s")) >= Settings().drain_s + PARK_S + 10


@pytest.mark.parametrize(("code", "expected"), [(200, 0), (503, 1)])
def test_probes_ask_readyz(roles: dict[str, Any], code: int, expected: int) -> None:
    class Ready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(code if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, *words: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Ready) as server:
        threading.Thread(target=server.serve_forever).start()
        for name in ("api", "worker-0"):
            [_, _, *words] = roles[name]["healthcheck"]["test"]
            words[-1] = re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{server.server_port}", words[-1])
            done = subprocess.run([sys.executable, *words], capture_output=True, check=False)
            assert done.returncode == expected, name
        server.shutdown()


def test_s3_server_starts_with_its_bucket_and_answers_its_probe(services: dict[str, Any], tmp_path: Path) -> None:
    def here(words: list[str]) -> list[str]:
        return [word.replace("/data/", f"{tmp_path}/").replace(":7070", f":{port}") for word in words]

    port = free_port()
    subprocess.run(here(services["bucket"]["entrypoint"]), check=True)
    environment = os.environ | services["s3"]["environment"]
    process = subprocess.Popen([s3_server.executable(), *here(services["s3"]["command"])], env=environment)
    address = here(services["s3"]["healthcheck"]["test"])[-1]
    try:
        until_it_answers("versitygw", process, lambda: answers(address), 10)
        assert (
            httpx.get(f"http://127.0.0.1:{port}/hua", trust_env=False).status_code == 403
        )  # it is there, for its keys
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def answers(address: str) -> bool:
    try:
        return httpx.get(address, trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
