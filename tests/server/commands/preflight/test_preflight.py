"""The command `hua preflight`: its table, its JSON and its exit code."""

import json
import os
import subprocess
import sys
from pathlib import Path

from server.commands.preflight import Finding, table


def preflight(tmp_path: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server", "preflight", "--no-device", *options]
    own = {"HUA_DATA_DIR": str(tmp_path / "data"), "HUA_PORT": "18475", **environment}
    return subprocess.run(command, env=os.environ | own, capture_output=True, text=True)


def test_preflight_failure_sets_the_exit_code_and_the_json(tmp_path: Path) -> None:
    done = preflight(tmp_path, "--json", HUA_QUEUE="redis://127.0.0.1:1/0", HUA_BROKER="kafka://")
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 1
    assert (found["redis"]["result"], found["kafka"]["result"]) == ("fail", "fail")
    assert "it names no server" in found["kafka"]["said"]
    assert found["bucket delete"]["result"] == "ok"


def test_table_has_a_line_for_each_finding() -> None:
    lines = table([Finding("port", "ok", "free"), Finding("redis", "fail", "away", "start it")]).splitlines()
    assert lines == ["port   ok       free", "redis  fail     away", "                → start it"]
