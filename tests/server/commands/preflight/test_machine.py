import socket
from pathlib import Path

import pytest

from server.commands.preflight import machine
from server.commands.preflight.machine import check_data_dir, check_memory, check_port, check_secret, check_tenants
from server.settings import Settings

EXPIRED = "tenants: {acme: {keys: [{sha256: " + "a" * 64 + ", expires: 2020-01-01}]}}"


def result(check, **settings: object) -> tuple[str, str]:
    """Of the first finding: its result, and all that it says."""
    finding = next(iter(check(Settings(**settings))))
    return finding.result, f"{finding.message} {finding.advice}"


def test_a_port_in_use_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert result(check_port, port=port)[0] == "warn"
    assert result(check_port, port=port) == ("ok", f"127.0.0.1 port {port} is free ")


def test_a_data_folder_must_be_writable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert result(check_data_dir, data_dir=tmp_path / "new" / "data")[0] in {"ok", "warn"}
    verdict, said = result(check_data_dir, data_dir=tmp_path / "file")
    assert verdict == "fail"
    assert "set HUA_DATA_DIR" in said


def test_more_host_memory_than_there_is_is_told() -> None:
    verdict, said = result(check_memory, host_memory=1 << 50)
    assert (verdict, "lower HUA_HOST_MEMORY" in said) == ("warn", True)


def test_a_container_has_its_limit_and_not_the_whole_machine(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    assert "1.0 GiB free" not in result(check_memory, host_memory=0)[1]
    (tmp_path / "memory.max").write_text(f"{1 << 30}\n")
    verdict, said = result(check_memory, host_memory=0)
    assert (verdict, said.startswith("1.0 GiB free")) == ("warn", True)


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        ({}, "ok"),
        ({"queue": "redis://redis:6379/0"}, "warn"),
        ({"queue": "redis://redis:6379/0", "secret": "x" * 32}, "ok"),
        ({"secret": "hush"}, "fail"),
    ],
)
def test_roles_apart_need_one_secret_that_cannot_be_guessed(settings, verdict) -> None:
    assert result(check_secret, **settings)[0] == verdict


def test_tenants_whose_keys_have_all_expired_are_no_use(tmp_path: Path) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text(EXPIRED)
    assert result(check_tenants)[0] == "ok"
    verdict, said = result(check_tenants, tenants=file)
    assert (verdict, "all of them expired" in said) == ("fail", True)
    file.write_text("tenants: {acme: {kays: []}}")
    assert "did you mean keys?" in result(check_tenants, tenants=file)[1]
