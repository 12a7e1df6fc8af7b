"""Dockerfile.cuda by its words, for no test reaches a registry; the commands that need none are run as they stand."""

import fnmatch
import json
import re
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

from helm.render import CHART, ROOT
from tests.support.tools import free_port

FILE = ROOT / "Dockerfile.cuda"


def instructions() -> list[tuple[str, str]]:
    """Each instruction and its words, with continued lines joined and comments left out."""
    text = re.sub(r"^#.*\n", "", FILE.read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n", "", text).splitlines()
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in lines if line.strip())]


def words(instruction: str) -> list[str]:
    return [rest for word, rest in instructions() if word == instruction]


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage by its name, with those of the stages it is built upon first."""
    found: dict[str, list[tuple[str, str]]] = {}
    current: list[tuple[str, str]] = []
    for word, rest in instructions():
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            current = found[name] = list(found.get(base, []))
        current.append((word, rest))
    return found


def test_dockerfile_passes_hadolint() -> None:
    linter = Path(sys.executable).parent / "hadolint"
    done = subprocess.run([linter, FILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_base_image_is_versioned_and_pinnable() -> None:
    arguments = dict(rest.split("=", 1) for rest in words("ARG") if "=" in rest)
    assert re.fullmatch(r"docker\.io/library/python:\d+\.\d+\.\d+-slim-\w+", arguments["PYTHON_IMAGE"])
    assert words("FROM")[0] == "${PYTHON_IMAGE}${PYTHON_DIGEST:+@${PYTHON_DIGEST}} AS python"
    assert {rest.split(" AS ")[0] for rest in words("FROM")[1:]} <= {rest.split(" AS ")[1] for rest in words("FROM")}
    assert "latest" not in "".join(rest for _, rest in instructions())


@pytest.mark.parametrize("target", ["slim", "cuda"])
def test_targets_run_as_unprivileged_user(target: str) -> None:
    stage = stages()[target]
    assert [rest for word, rest in stage if word == "USER"] == ["10001:10001"]
    after = stage[stage.index(("USER", "10001:10001")) :]
    assert not [rest for word, rest in after if word == "RUN"]
    assert ("ENTRYPOINT", '["hua"]') in stage
    labels = " ".join(rest for word, rest in stage if word == "LABEL")
    for label in ("title", "version", "revision", "created", "base.name", "base.digest"):
        assert f"org.opencontainers.image.{label}=" in labels
    assert any("/sbom.cdx.json" in rest for word, rest in stage if word == "COPY")


def test_slim_target_has_no_torch() -> None:
    installed = {name: " ".join(rest for _, rest in stage) for name, stage in stages().items()}
    assert "--from=slim-packages" in installed["slim"]
    assert "--from=cuda-packages" not in installed["slim"]
    export = next(rest for rest in words("RUN") if rest.startswith("uv export")).split("&&")
    [slim] = [line for line in export if "slim.txt" in line]
    [cuda] = [line for line in export if "--output-file cuda.txt" in line]
    assert "--extra device" not in slim
    assert "--extra device" in cuda


def test_packages_must_match_hashes_of_lock() -> None:
    for rest in words("RUN"):
        for command in rest.split("&&"):
            if "uv pip install" in command and "${TORCH}" not in command:
                assert "--require-hashes" in command or "--no-deps --no-index dist/" in command, command
            if "uv export" in command:
                assert "--frozen" in command, command


def test_requirement_lists_come_from_lock(tmp_path: Path) -> None:
    """The very commands of the image, run here."""
    for file in ("pyproject.toml", "uv.lock", "README.md"):
        shutil.copy(ROOT / file, tmp_path)
    commands = next(rest for rest in words("RUN") if rest.startswith("uv export"))
    uv = shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    subprocess.run(["bash", "-euc", re.sub(r"\buv\b", uv, commands)], cwd=tmp_path, check=True)
    slim, cuda = ((tmp_path / f"{name}.txt").read_text() for name in ("slim", "cuda"))
    assert "\ntorch==" in cuda
    assert "torch==" not in slim
    assert "\nopentelemetry-sdk==" in slim
    assert slim.count("==") <= slim.count("--hash=sha256:")
    bill = json.loads((tmp_path / "cuda.cdx.json").read_text())
    assert (bill["bomFormat"], "torch" in {part["name"] for part in bill["components"]}) == ("CycloneDX", True)


def test_copied_files_exist_in_build_context() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    for rest in words("COPY"):
        if rest.startswith("--from="):
            continue
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(fnmatch.fnmatch(f"!{source}", line) for line in ignored), f".dockerignore leaves out {source}"


def test_health_command_finds_answering_port(monkeypatch: pytest.MonkeyPatch) -> None:
    [check] = words("HEALTHCHECK")
    command = [sys.executable, *json.loads(check.partition(" CMD ")[2])[1:]]
    port = free_port()
    monkeypatch.setenv("HUA_PORT", str(free_port()))
    monkeypatch.setenv("HUA_METRICS_PORT", str(port))
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1
    with HTTPServer(("127.0.0.1", port), Alive) as server:
        threading.Thread(target=server.serve_forever).start()
        assert subprocess.run(command, capture_output=True, check=False).returncode == 0
        server.shutdown()


class Alive(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *words: object) -> None: ...


def test_chart_and_package_have_same_version() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert f'\nversion = "{about["appVersion"]}"\n' in (ROOT / "pyproject.toml").read_text()
    assert f"VERSION={about['appVersion']}" in words("ARG")
