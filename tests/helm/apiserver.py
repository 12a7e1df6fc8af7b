"""The apiserver of a Kubernetes that has no machines: it runs nothing, and judges every object as a real one does.

`python -m tests.helm.apiserver` starts one and says where it is, for whoever wants to try helm on it by hand.
"""

from __future__ import annotations

import re
import signal
import subprocess
import tempfile
from functools import cached_property
from pathlib import Path
from typing import Self

import httpx
import yaml

from helm.render import Resource
from tests.support.tools import TOOLS, build_lock, free_port, installed, until

SOURCE = Path(__file__).parent / "kubernetes"
TOKEN = "whoever-has-it-may-do-anything"
FIELD_MANAGER = "tests"
BUILD = "python -m tests.helm.apiserver"


def built() -> Path:
    """kube-apiserver and etcd in one program; whether it is there or not."""
    return TOOLS / f"apiserver-{_version()}"


def executable() -> str:
    """The program, built where it is not there."""
    there = built()
    go = "" if there.exists() else installed("go", "golang-go")
    with build_lock():
        if not there.exists():
            _build(go, there)
    return str(there)


def _version() -> str:
    [version] = re.findall(r"k8s\.io/kubernetes (v[\d.]+)", (SOURCE / "go.mod").read_text())
    return str(version)


def _build(go: str, there: Path) -> None:
    major, minor, _ = _version().removeprefix("v").split(".")
    told = {"gitVersion": _version(), "gitMajor": major, "gitMinor": minor}
    flags = " ".join(["-s -w", *(f"-X k8s.io/component-base/version.{name}={said}" for name, said in told.items())])
    draft = there.with_suffix(".draft")
    command = [go, "build", "-C", str(SOURCE), f"-ldflags={flags}", "-o", str(draft), "."]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"the apiserver needs Go 1.26 or newer to be built\n{done.stderr}"
    draft.rename(there)


class Apiserver:
    """All of it lies in `folder`; helm finds it by `kubeconfig`."""

    def __init__(self, folder: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self._folder, self._port = folder, free_port()
        self._kinds: dict[tuple[str, str], tuple[str, bool]] = {}

    def __enter__(self) -> Self:
        key, tokens = self._folder / "accounts.key", self._folder / "tokens.csv"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        tokens.write_text(f"{TOKEN},tests,tests,system:masters\n")
        options = {
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "secure-port": self._port,
            "cert-dir": self._folder,
            "token-auth-file": tokens,
            "authorization-mode": "RBAC",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": key,
            "service-account-signing-key-file": key,
            "service-cluster-ip-range": "10.96.0.0/16",
            "endpoint-reconciler-type": "none",
        }
        command = [executable(), str(self._folder / "etcd"), *(f"--{name}={value}" for name, value in options.items())]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        until(self._ready, within_s=300)
        self.kubeconfig.write_text(yaml.safe_dump(self._way_in()))
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()
        self._process.kill()
        self._process.wait()

    @cached_property
    def _http(self) -> httpx.Client:
        url, headers = f"https://127.0.0.1:{self._port}", {"Authorization": f"Bearer {TOKEN}"}
        return httpx.Client(base_url=url, headers=headers, verify=False, trust_env=False, timeout=60)

    def _ready(self) -> bool:
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        try:
            return self._http.get("/readyz").is_success
        except httpx.TransportError:
            return False

    def _way_in(self) -> Resource:
        """What kubectl and helm know as a kubeconfig."""
        cluster = {
            "server": f"https://127.0.0.1:{self._port}",
            "certificate-authority": str(self._folder / "apiserver.crt"),
        }
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "it", "cluster": cluster}],
            "users": [{"name": "it", "user": {"token": TOKEN}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": "hua"}}],
            "current-context": "it",
        }

    def apply(self, resource: Resource, *, dry_run: bool = False) -> list[str]:
        """What it has to say of an object: its refusal, or its warnings; nothing if all is well."""
        metadata = resource["metadata"]
        path = self._path(resource["apiVersion"], resource["kind"], metadata.get("namespace", "hua"))
        query = {"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict", "force": "true"}
        reply = self._http.patch(
            f"{path}/{metadata['name']}",
            params=query | ({"dryRun": "All"} if dry_run else {}),
            content=yaml.safe_dump(resource),
            headers={"Content-Type": "application/apply-patch+yaml"},
        )
        return reply.headers.get_list("warning") if reply.is_success else [reply.json()["message"]]

    def get(self, version: str, kind: str, name: str) -> Resource | None:
        """An object of the namespace `hua`, if it is there."""
        reply = self._http.get(f"{self._path(version, kind, 'hua')}/{name}")
        return reply.json() if reply.is_success else None

    def knows(self, version: str, kind: str) -> bool:
        """Whether it serves such objects; it asks anew until it does."""
        if (version, kind) not in self._kinds:
            reply = self._http.get(_group(version))
            for one in reply.json().get("resources", []) if reply.is_success else []:
                if "/" not in one["name"]:
                    self._kinds[version, one["kind"]] = (one["name"], one["namespaced"])
        return (version, kind) in self._kinds

    def _path(self, version: str, kind: str, namespace: str) -> str:
        """Where objects of this kind are."""
        assert self.knows(version, kind), f"the apiserver knows no {kind} of {version}"
        name, namespaced = self._kinds[version, kind]
        within = f"/namespaces/{namespace}" if namespaced else ""
        return f"{_group(version)}{within}/{name}"


def _group(version: str) -> str:
    return f"/{'apis' if '/' in version else 'api'}/{version}"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder, Apiserver(Path(folder)) as apiserver:
        print(f"export KUBECONFIG={apiserver.kubeconfig}    # until Ctrl-C")  # noqa: T201
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
