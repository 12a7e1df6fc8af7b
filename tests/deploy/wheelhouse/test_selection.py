import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deploy.wheelhouse.selection import Pin, SelectionError, choose, pins
from deploy.wheelhouse.target import Target

ROOT = Path(__file__).parents[3]
LINUX = Target("3.12", "manylinux_2_28_x86_64")
LOCK = """
[[package]]
name = "fast"
version = "1.0"
sdist = {{ url = "https://files.example/fast-1.0.tar.gz", hash = "sha256:00" }}
wheels = [
    {{ url = "https://files.example/fast-1.0-cp311-cp311-manylinux_2_28_x86_64.whl", hash = "sha256:11" }},
    {{ url = "https://files.example/fast-1.0-cp312-cp312-manylinux_2_17_x86_64.whl", hash = "sha256:12" }},
    {{ url = "https://files.example/fast-1.0-cp312-cp312-manylinux_2_28_x86_64.whl", hash = "sha256:13" }},
    {{ url = "https://files.example/fast-1.0-cp312-cp312-manylinux_2_34_x86_64.whl", hash = "sha256:14" }},
    {{ path = "fast-1.0-py3-none-any.whl", hash = "sha256:15" }},
]
{more}
"""


def locked(tmp_path: Path, more: str = "") -> Path:
    file = tmp_path / "uv.lock"
    file.write_text(LOCK.format(more=more))
    return file


@pytest.mark.parametrize(
    ("target", "sha256"),
    [
        (LINUX, "13"),
        (Target("3.12", "manylinux_2_24_x86_64"), "12"),
        (Target("3.11", "manylinux_2_28_x86_64"), "11"),
        (Target("3.12", "win_amd64"), "15"),
    ],
)
def test_best_wheel_of_the_target_is_chosen(tmp_path: Path, target: Target, sha256: str) -> None:
    [chosen] = choose(locked(tmp_path), [Pin("fast", "1.0")], target)
    assert (chosen.sha256, chosen.is_source) == (sha256, False)
    assert chosen.requirement == f"fast==1.0 --hash=sha256:{sha256}"


def test_source_is_chosen_where_no_wheel_runs(tmp_path: Path) -> None:
    more = """[[package]]
name = "plain"
version = "2"
sdist = { url = "https://files.example/plain-2.tar.gz", hash = "sha256:21" }
wheels = [{ url = "https://files.example/plain-2-cp312-cp312-win_amd64.whl", hash = "sha256:22" }]"""
    [chosen] = choose(locked(tmp_path, more), [Pin("plain", "2")], LINUX)
    assert (chosen.filename, chosen.is_source) == ("plain-2.tar.gz", True)


def test_packages_without_any_file_are_named(tmp_path: Path) -> None:
    more = """[[package]]
name = "closed"
version = "3"
wheels = [{ url = "https://files.example/closed-3-cp312-cp312-win_amd64.whl", hash = "sha256:31" }]"""
    with pytest.raises(SelectionError, match=r"Python 3\.12 on manylinux_2_28_x86_64.*closed==3"):
        choose(locked(tmp_path, more), [Pin("fast", "1.0"), Pin("closed", "3")], LINUX)


def test_file_without_a_hash_is_refused(tmp_path: Path) -> None:
    more = """[[package]]
name = "local"
version = "4"
wheels = [{ path = "local-4-py3-none-any.whl" }]"""
    with pytest.raises(SelectionError, match=r"no hash of local-4-py3-none-any\.whl"):
        choose(locked(tmp_path, more), [Pin("local", "4")], LINUX)


def test_pins_leave_out_what_other_machines_need() -> None:
    export = "fast==1.0\nwindows==2 ; sys_platform == 'win32'\nuvicorn[standard]==3 ; python_version >= '3.12'\n"
    assert list(pins(export, LINUX)) == [Pin("fast", "1.0"), Pin("uvicorn", "3")]


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_whole_lock_has_wheels_for_linux(python: str, machine: str) -> None:
    uv = os.environ.get("UV") or shutil.which("uv") or str(ROOT / ".tools/bin/uv")
    command = [uv, "export", "--frozen", "--quiet", "--no-dev", "--no-emit-project", "--all-extras"]
    plain = ["--no-hashes", "--no-annotate", "--no-header"]
    export = subprocess.run([*command, *plain], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    target = Target(python, f"manylinux_2_28_{machine}")
    chosen = choose(ROOT / "uv.lock", pins(export, target), target)
    assert {"torch", "fastapi", "onnxruntime", "matplotlib"} <= {each.pin.name for each in chosen}
    assert not [each.filename for each in chosen if each.is_source]
