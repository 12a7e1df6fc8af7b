import socket
from pathlib import Path

import pytest

from server.commands.preflight import machine
from server.commands.preflight.machine import check_data_dir, check_memory, check_port, check_secret, check_tenants
from server.settings import Settings

EXPIRED = "tenants: {acme: {keys: [{sha256: " + "a" * 64 + ", expires: 2020-01-01}]}}"


def result(check, **settings: object) -> tuple[str, str]:
    """The result and the text of the first finding."""
    finding = next(iter(check(Settings(**settings))))
    return finding.result, f"{finding.message} {finding.advice}"


def test_check_port_warns_of_a_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert result(check_port, port=port)[0] == "warn"
    assert result(check_port, port=port) == ("ok", f"127.0.0.1 port {port} is free ")


def test_check_data_dir_requires_a_writable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert result(check_data_dir, data_dir=tmp_path / "new" / "data")[0] in {"ok", "warn"}
    verdict, text = result(check_data_dir, data_dir=tmp_path / "file")
    assert verdict == "fail"
    assert "set HUA_DATA_DIR" in text


def test_check_memory_warns_of_more_than_is_available() -> None:
    verdict, text = result(check_memory, host_memory=1 << 50)
    assert (verdict, "lower HUA_HOST_MEMORY" in text) == ("warn", True)


def test_check_memory_respects_the_cgroup_limit(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    (tmp_path / "memory.max").write_text("max\n")
    assert not result(check_memory, host_memory=0)[1].startswith("1.0 GiB free")
    (tmp_path / "memory.max").write_text(f"{1 << 30}\n")
    verdict, text = result(check_memory, host_memory=0)
    assert (verdict, text.startswith("1.0 GiB free")) == ("warn", True)


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        ({}, "ok"),
        ({"queue": "redis://redis:6379/0"}, "warn"),
        ({"queue": "redis://redis:6379/0", "secret": "x" * 32}, "ok"),
        ({"secret": "hush"}, "fail"),
    ],
)
def test_check_secret_requires_a_strong_secret_for_separate_roles(settings, verdict) -> None:
    assert result(check_secret, **settings)[0] == verdict


def test_check_tenants_fails_if_all_keys_are_expired(tmp_path: Path) -> None:
    file = tmp_path / "tenants.yaml"
    file.write_text(EXPIRED)
    assert result(check_tenants)[0] == "ok"
    verdict, text = result(check_tenants, tenants=file)
    assert (verdict, "all of them expired" in text) == ("fail", True)
    file.write_text("tenants: {acme: {kays: []}}")
    assert "did you mean keys?" in result(check_tenants, tenants=file)[1]
