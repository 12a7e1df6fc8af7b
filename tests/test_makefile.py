"""What `make serve` installs, and how much it says that this downloads."""

import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.utils import parse_wheel_filename

ROOT = Path(__file__).parents[1]
LINUX = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64", "python_version": "3.12"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh one, as far as make reads it."""
    for name in ("Makefile", "pyproject.toml", "uv.lock", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def commands(checkout: Path, target: str, *variables: str) -> str:
    """What make would run."""
    # Without the variables of a make that runs this test, which would have this one print its folder.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    made = subprocess.run(
        ["make", "-n", target, *variables], cwd=checkout, env=environment, capture_output=True, text=True, check=True
    )
    return made.stdout


def test_serve_installs_no_developer_tools(checkout: Path) -> None:
    serve = commands(checkout, "serve")
    assert "sync --frozen --no-dev --inexact --extra device" in serve
    assert "GB to download" in serve.partition(" sync ")[0]
    assert "--no-dev" not in commands(checkout, "test")


def test_serve_after_test_installs_nothing(checkout: Path) -> None:
    for name in (".tools/bin/uv", ".venv/runtime", ".venv/ready"):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()
    assert commands(checkout, "serve") == ".venv/bin/hua serve\n"


def test_wheelhouse_needs_only_uv(checkout: Path) -> None:
    variables = ("PYTHON=3.13", "PLATFORM=win_amd64", "EXTRAS=", "SPLIT=2G")
    usual, changed = (commands(checkout, "wheelhouse", *chosen).split() for chosen in ((), variables))
    for made in (usual, changed):
        assert "deploy.wheelhouse" in made
        assert "sync" not in made
    assert {'"3.12"', '"manylinux_2_28_x86_64"', "device", "bench"} <= set(usual)
    assert {'"3.13"', '"win_amd64"', '"2G"'} <= set(changed)
    assert "device" not in changed


@pytest.mark.parametrize(("target", "options"), [("serve", ["--no-dev"]), ("test", [])])
def test_download_is_as_large_as_said(checkout: Path, target: str, options: list[str]) -> None:
    said = re.search(r"([\d.]+) GB to download", commands(checkout, target))
    assert said
    assert float(said[1]) == pytest.approx(download_bytes(checkout, options) / 1e9, rel=0.1)


def download_bytes(checkout: Path, options: list[str]) -> int:
    """Of the locked packages, on Linux with an x86 processor."""
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".tools/bin/uv")
    export = [uv, "export", "--frozen", "--quiet", "--no-hashes", "--no-emit-project", "--no-annotate", "--no-header"]
    command = [*export, "--extra", "device", *options]
    listed = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True).stdout
    lock = tomllib.loads((checkout / "uv.lock").read_text())
    wheels = {f"{each['name']}=={each.get('version')}": each.get("wheels", []) for each in lock["package"]}
    total = 0
    for line in listed.splitlines():
        requirement, _, marker = line.partition(" ; ")
        if not marker or Marker(marker).evaluate(LINUX):
            total += linux_bytes(wheels[re.sub(r"\[.*\]", "", requirement.strip())])
    return total


def linux_bytes(wheels: list[dict]) -> int:
    """Of the largest wheel that Linux takes: the versions of Python differ by little."""
    sizes = [0]
    for wheel in wheels:
        tags = parse_wheel_filename(wheel["url"].rpartition("/")[2].replace("%2B", "+"))[3]
        if any(re.fullmatch(r"any|(many)?linux.*x86_64", tag.platform) for tag in tags):
            sizes.append(wheel["size"])
    return max(sizes)
