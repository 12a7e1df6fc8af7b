"""What nvidia-smi says, by a stand-in that says it."""

from pathlib import Path

import pytest

from server.commands.bench import environment
from tests.support.tools import until

SMI = """#!/bin/sh
case "$1" in
  *driver_version*) echo '580.95.05, 16384 MiB, 230.00 W, 2100 MHz, Enabled, P0' ;;
  *) while :; do
       echo '1500, 7000, 100.5, 60, [N/A]'; echo '1600, 7000, 200.5, 61, 99'; : > "$0.said"; sleep 0.05
     done ;;
esac
"""


@pytest.fixture
def smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(SMI)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


@pytest.mark.usefixtures("smi")
def test_driver_clocks_and_power_are_told(tmp_path: Path) -> None:
    assert environment.of_driver()["driver_version"] == "580.95.05"
    facts: dict[str, object] = {}
    with environment.watched(facts):
        until((tmp_path / "nvidia-smi.said").exists)
    assert facts["clocks.mem, MHz, median"] == 7000
    assert 1500 <= facts["clocks.sm, MHz, median"] <= 1600
    assert facts["utilization.gpu, %, median"] == 99


def test_without_nvidia_smi_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    facts: dict[str, object] = {}
    with environment.watched(facts):
        pass
    assert (facts, environment.of_driver()) == ({}, {})
