"""A project with packages of every kind, gathered from an index that is a folder, and installed without any."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.wheels import package_index, write_project, write_source, write_wheel

ROOT = Path(__file__).parents[3]
UV = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".tools/bin/uv")
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
CP = f"cp{PYTHON.replace('.', '')}"
LINUX = "manylinux_2_28_x86_64"
DEPENDENCIES = """
dependencies = ["pure", "native", "windows; sys_platform == 'win32'"]
[project.optional-dependencies]
device = ["source"]
"""

PROGRAM = (sys.executable, "-m", "deploy.wheelhouse", "--python", PYTHON)

Gather = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def index(tmp_path: Path) -> Path:
    folder = tmp_path / "index"
    folder.mkdir()
    write_wheel(folder, "pure", "py3-none-any")
    for tag in (f"{CP}-{CP}-{LINUX}", f"{CP}-{CP}-manylinux_2_17_x86_64", f"{CP}-{CP}-win_amd64"):
        write_wheel(folder, "native", tag)
    write_wheel(folder, "windows", "py3-none-win_amd64")
    write_source(folder, "source", "py3-none-any")
    return folder


@pytest.fixture
def gather_wheels(tmp_path: Path, index: Path) -> Gather:
    """Locks the project, and gathers its wheels in `tmp_path / "wheels"`."""
    project = write_project(tmp_path / "project", "house", more=DEPENDENCIES)
    program = [*PROGRAM, "--out", str(tmp_path / "wheels")]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        with package_index(index) as url:
            lock = [UV, "lock", "--quiet", "--default-index", url]
            subprocess.run(lock, cwd=project, check=True)
            environment = os.environ | {"UV": UV, "PYTHONPATH": str(ROOT), "PIP_INDEX_URL": url}
            command = [*program, *arguments]
            return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)

    return run


def test_wheels_are_those_of_the_target(gather_wheels: Gather, tmp_path: Path) -> None:
    done = gather_wheels("--platform", LINUX, "--extras", "device", "--split", "4K")
    assert done.returncode == 0, done.stderr
    wheels = tmp_path / "wheels"
    assert sorted(file.name for file in wheels.glob("*.whl")) == [
        "house-1.0-py3-none-any.whl",
        f"native-1.0-{CP}-{CP}-{LINUX}.whl",
        "pure-1.0-py3-none-any.whl",
        "source-1.0-py3-none-any.whl",
    ]
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=wheels, check=True)
    assert len(list(tmp_path.glob("wheels.tar.0*"))) > 1

    (wheels / "pure-1.0-py3-none-any.whl").write_text("half a downl")
    done = gather_wheels("--platform", "win_amd64", "--extras")
    assert done.returncode == 0, done.stderr
    assert sorted(file.name for file in wheels.glob("*.whl")) == [
        "house-1.0-py3-none-any.whl",
        f"native-1.0-{CP}-{CP}-win_amd64.whl",
        "pure-1.0-py3-none-any.whl",
        "windows-1.0-py3-none-win_amd64.whl",
    ]
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=wheels, check=True)


@pytest.fixture
def install_wheels(tmp_path: Path) -> Callable[[], Path]:
    """Does what INSTALL.txt says; the folder of the installed programs. Tests that ask for it are slow."""

    def run() -> Path:
        own = tmp_path / "own"
        for line in (tmp_path / "wheels" / "INSTALL.txt").read_text().splitlines():
            if line.startswith("    ") and "preflight" not in line:
                command = line.replace("/opt/hua", str(own)).replace(f"python{PYTHON}", sys.executable)
                subprocess.run(command, shell=True, cwd=tmp_path / "wheels", check=True)
        return own / "bin"

    return run


def test_wheels_install_without_an_index(gather_wheels: Gather, install_wheels: Callable[[], Path]) -> None:
    assert gather_wheels("--platform", LINUX, "--extras", "device").returncode == 0
    code = "import house, native, pure, source; print(native.TAG)"
    found = subprocess.run([install_wheels() / "python", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == f"{CP}-{CP}-{LINUX}"


def test_api_of_the_lock_installs_without_an_index(tmp_path: Path, install_wheels: Callable[[], Path]) -> None:
    """Without the extra `device`, whose wheels are 3 GB."""
    command = [*PROGRAM, "--platform", LINUX, "--out", str(tmp_path / "wheels"), "--extras"]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"UV": UV}, check=True)
    shown = subprocess.run(
        [install_wheels() / "hua", "settings"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "HUA_MODELS_DIR" in shown.stdout


def test_package_that_only_builds_for_another_machine_is_named(gather_wheels: Gather, index: Path) -> None:
    shutil.rmtree(index / "source-project")
    write_source(index, "source", f"{CP}-{CP}-win_amd64")
    done = gather_wheels("--platform", LINUX, "--extras", "device")
    assert done.returncode == 1
    assert f"wheelhouse: source==1.0 has no wheel for Python {PYTHON} on {LINUX}" in done.stderr


def test_target_without_wheels_is_refused(gather_wheels: Gather, index: Path, tmp_path: Path) -> None:
    done = gather_wheels("--platform", "musllinux_1_2_x86_64", "--extras")
    assert done.returncode == 1
    assert "and no source: native==1.0; choose another PYTHON or PLATFORM" in done.stderr
    assert not list((tmp_path / "wheels").glob("*.whl"))
