"""A role that cannot start says why in one line, before anything slow begins."""

import fcntl
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest


def refusal(data_dir: Path, role: str = "serve", **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "server", role],
        env=os.environ | {"HUA_DATA_DIR": str(data_dir), **environment},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_port_in_use_is_reported(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert f"cannot listen on 127.0.0.1 port {port}" in refusal(tmp_path, HUA_PORT=str(port))
    assert not list(tmp_path.iterdir())


def test_data_folder_in_use_is_reported(tmp_path: Path) -> None:
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for role, queue in (("serve", "memory://"), ("controller", "redis://127.0.0.1:1")):
            message = refusal(tmp_path, role, HUA_PORT="18472", HUA_QUEUE=queue)
            assert "another `hua serve` or `hua controller` uses" in message


@pytest.mark.parametrize("role", ["api", "controller", "worker"])
def test_separate_roles_refuse_the_memory_queue(tmp_path: Path, role: str) -> None:
    message = refusal(tmp_path, role)
    assert "HUA_QUEUE=memory:// is inside one process" in message
    assert "give all roles the same HUA_QUEUE=redis://HOST:PORT/DB" in message


def test_missing_models_folder_is_reported(tmp_path: Path) -> None:
    message = refusal(tmp_path / "data", HUA_MODELS_DIR=str(tmp_path / "none"), HUA_PORT="18473")
    assert "none is not a folder; create it, or correct HUA_MODELS_DIR" in message


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HUA_HOST", "0.0.0.0", "HUA_API_KEYS"),
        ("HUA_BROKER", "amqp://", "use sqlite://"),
        ("HUA_QUEUE", "amqp://", "use memory://, redis[s]://"),
        ("HUA_QUEUE", "redis://localhost:many", "use redis://[USER:PASSWORD@]HOST:PORT/DB"),
        ("HUA_PORT", "x", "HUA_PORT"),
        ("HUA_TENANTS", "/nowhere.yaml", "/nowhere.yaml cannot be read"),
    ],
)
def test_wrong_setting_is_reported(tmp_path: Path, models_yaml: Path, name: str, value: str, says: str) -> None:
    environment = {"HUA_PORT": "18474", "HUA_MODELS_DIR": str(models_yaml.parent), name: value}
    assert says in refusal(tmp_path / "data", **environment)


def test_data_folder_that_cannot_be_used_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    for role, queue in (("serve", "memory://"), ("worker", "redis://127.0.0.1:1")):
        message = refusal(file, role, HUA_PORT="18475", HUA_QUEUE=queue)
        assert f"HUA_DATA_DIR={file} cannot be used ({file}: File exists)" in message
        assert "set it to a folder that this user may write, on a disk with room" in message


@pytest.fixture
def models_yaml(tmp_path: Path) -> Path:
    (tmp_path / "toy.safetensors").write_bytes(b"")
    file = tmp_path / "models.yaml"
    file.write_text("models: [{name: toy, path: toy.safetensors, family: sd1}]")
    return file
