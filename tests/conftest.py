"""What tests of every house share."""

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import models
from tests.redis_server import RedisServer

# Before anybody imports torch: threads that spin while they wait slow a busy machine down several times over.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(running_redis: RedisServer) -> RedisServer:
    """One with nothing in it."""
    running_redis.flush()
    return running_redis


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """One that a test may stop and change."""
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    return redis_server.url


@pytest.fixture(scope="session")
def models_dir(pytestconfig: pytest.Config) -> Path:
    """The toys, built anew when what builds them has changed."""
    sources = sorted(Path(models.__path__[0]).glob("*.py"))
    made_by = hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
    folder = pytestconfig.cache.mkdir("toys") / made_by
    if not (folder / "models.yaml").exists():
        subprocess.run([sys.executable, "-m", "models.toy", str(folder)], check=True)
    return folder
