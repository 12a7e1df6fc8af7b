"""The units of deploy/systemd, checked by systemd itself."""

import configparser
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from server.__main__ import _parser
from server.settings import PREFIX, Settings
from server.worker.worker import PARK_S
from tests.support.docs import shell_blocks
from tests.support.tools import installed

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "systemd"
LINES = [line for block in shell_blocks("one-machine.md") for line in block.splitlines()]
SHARED = FOLDER / "hua-.service.d" / "hua.conf"
PROGRAM = "/opt/hua/bin/hua "
MOST_EXPOSED = 25
"""Of 100, by the measure of `systemd-analyze security`; a service without any hardening has 96."""


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Installed as the docs say, with a program that exists on this machine, and with an instance of the template."""
    folder = tmp_path / "units"
    folder.mkdir()
    [copy] = [line for line in LINES if line.startswith("sudo cp ")]
    copy = copy.removeprefix("sudo ").replace("/etc/systemd/system", str(folder))
    subprocess.run(["bash", "-ec", copy], cwd=ROOT, check=True)
    for unit in folder.glob("*.service"):
        unit.write_text(unit.read_text().replace(PROGRAM, "/bin/true "))
    shutil.copy(folder / "hua-worker@.service", folder / "hua-worker@0.service")
    return folder


def analyze(units: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """systemd-analyze, which finds these units and those of the system."""
    program = installed("systemd-analyze", "systemd")
    environment = os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:", "SYSTEMD_COLORS": "0"}
    return subprocess.run([program, *words], env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", ["hua-serve", "hua-api", "hua-controller", "hua-worker@0"])
def test_unit_is_correct_and_hardened(units: Path, name: str) -> None:
    done = analyze(units, "verify", f"{units}/{name}.service")
    assert (done.returncode, done.stderr) == (0, "")
    done = analyze(units, "security", "--offline=yes", f"--threshold={MOST_EXPOSED}", f"{name}.service")
    assert done.returncode == 0, done.stdout.splitlines()[-1]


def test_systemd_reads_what_units_share(units: Path) -> None:
    shared = units / "hua-.service.d" / "hua.conf"
    shared.write_text(shared.read_text().replace("Restart=always", "Restart=sometimes"))
    assert "Failed to parse service restart specifier" in analyze(units, "verify", f"{units}/hua-serve.service").stderr


def test_units_that_the_docs_start_exist() -> None:
    started = {unit for line in LINES if " enable " in line for unit in re.findall(r"hua-\w+@?", line)}
    assert started == {unit.stem for unit in FOLDER.glob("*.service")}


def test_commands_are_those_of_hua() -> None:
    roles = set()
    for unit in FOLDER.glob("*.service"):
        [command] = re.findall(rf"^ExecStart={PROGRAM}(.*)$", unit.read_text(), re.MULTILINE)
        words = command.replace("%i", "0").split()
        _parser().parse_args(words)
        roles.add(words[0])
    assert roles == {"serve", "api", "controller", "worker"}


def test_variables_are_settings() -> None:
    text = "".join(file.read_text() for file in FOLDER.rglob("*") if file.is_file())
    settings = {PREFIX + name.upper() for name in Settings.model_fields}
    assert set(re.findall(r"\bHUA_\w+", text)) <= settings


def test_service_starts_again_and_has_time_to_hand_tasks_over() -> None:
    shared = configparser.ConfigParser(strict=False, interpolation=None)
    shared.optionxform = str
    shared.read(SHARED)
    service = shared["Service"]
    assert service["Restart"] == "always"
    assert (service["KillSignal"], service["KillMode"]) == ("SIGTERM", "mixed")
    assert float(service["TimeoutStopSec"]) >= Settings().drain_s + PARK_S + 10
