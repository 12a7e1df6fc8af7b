"""Tests with a fake nvidia-smi."""

from pathlib import Path

import pytest

from server.commands.bench import environment
from server.settings import Settings
from tests.support.tools import until

SMI = """#!/bin/sh
case "$1" in
  *driver_version*) echo '580.95.05, 16384 MiB, 230.00 W, 2100 MHz, Enabled, P0' ;;
  *) while :; do
       echo '1500, 7000, 100.5, 60, [N/A]'; echo '1600, 7000, 200.5, 61, 99'; : > "$0.sampled"; sleep 0.05
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
def test_driver_facts_and_load_are_recorded(tmp_path: Path) -> None:
    assert environment.read_driver()["driver_version"] == "580.95.05"
    facts: dict[str, object] = {}
    with environment.record_load(facts):
        until((tmp_path / "nvidia-smi.sampled").exists)
    assert facts["clocks.mem, MHz, median"] == 7000
    assert 1500 <= facts["clocks.sm, MHz, median"] <= 1600
    assert facts["utilization.gpu, %, median"] == 99


def test_missing_nvidia_smi_adds_no_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    facts: dict[str, object] = {}
    with environment.record_load(facts):
        pass
    assert (facts, environment.read_driver()) == ({}, {})


def test_driver_that_does_not_answer_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(environment, "SMI_TIMEOUT_S", 0.2)
    assert environment.read_driver() == {}


def test_torch_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "TORCH_TIMEOUT_S", 0.2)
    monkeypatch.setattr(environment, "TORCH_FACTS", "import time; time.sleep(600)")
    with pytest.raises(environment.DeviceError, match="has not answered"):
        environment.read_device(Settings(), "cuda:0")
