"""What tests of every house share."""

import hashlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

import hypothesis
import pytest

import models
from tests.support.kafka_server import KafkaServer
from tests.support.redis_server import RedisServer
from tests.support.s3_server import GivenS3Server, S3Server, executable
from tests.support.tools import alone

# Before anybody imports torch: threads that spin while they wait slow a busy machine down several times over.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# How long an example takes says only how busy the machine is.
hypothesis.settings.register_profile("hua", deadline=None)
hypothesis.settings.load_profile("hua")


COMPILED_S = 900
COMPILED_FROM = ("compiled/forward_pass.py", "compiled/compile_worker.py", "patches/cross_attention_cache.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever is the first to need what is compiled has it compiled, which may take longer than a test may."""
    for item in items:
        if "compiled_dir" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(COMPILED_S))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds the S3 server before the first test: it may take longer than a test may."""
    if any({"running_s3", "own_s3"} & set(getattr(item, "fixturenames", ())) for item in session.items):
        executable()


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
def running_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The one that HUA_TEST_S3 names, or one of our own."""
    given = os.environ.get("HUA_TEST_S3")
    server = GivenS3Server(given) if given else S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def running_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one that all tests share; HUA_TEST_KAFKA=host:port names one that is there already."""
    if given := os.environ.get("HUA_TEST_KAFKA"):
        yield given
        return
    server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server.address
    server.stop()


@pytest.fixture
def s3_settings(running_s3: S3Server) -> dict[str, object]:
    """Settings that lead to a place on S3 where nothing is."""
    settings = running_s3.settings
    return settings | {"bucket": f"{settings['bucket']}/test-{uuid.uuid4().hex}"}


@pytest.fixture
def own_s3(tmp_path: Path) -> Iterator[S3Server]:
    """One that a test may stop, and whose requests it may count."""
    server = S3Server(tmp_path / "s3")
    server.start()
    yield server
    server.stop()


@pytest.fixture
def kafka_url(running_kafka: str) -> str:
    """One with nothing in it under this prefix; its topics have one partition, which keeps the order of all records."""
    return f"kafka://{running_kafka}/hua-{uuid.uuid4().hex}.?partitions=1"


@pytest.fixture(scope="session")
def models_dir(pytestconfig: pytest.Config) -> Path:
    """The toys, built anew when what builds them has changed."""
    return toys(pytestconfig)


@pytest.fixture(scope="session")
def compiled_dir(pytestconfig: pytest.Config) -> Path:
    """A folder with the checkpoint `tiny` and, in `packages`, what `hua compile` made of it."""
    return compiled(pytestconfig)


@pytest.fixture(scope="session")
def package(compiled_dir: Path) -> Path:
    """The file of the guided step of one image of `tiny`."""
    [file] = (compiled_dir / "packages").glob("*.pt2")
    return file


def toys(config: pytest.Config) -> Path:
    house = Path(models.__path__[0])
    sources = [*sorted(house.rglob("*.py")), *sorted(house.glob("toy/weights/*"))]
    folder = config.cache.mkdir("toys") / _digest(sources)
    with alone():
        if not (folder / "models.yaml").exists():
            subprocess.run([sys.executable, "-m", "models.toy", str(folder)], check=True)
    return folder


def compiled(config: pytest.Config) -> Path:
    from tests.support import tiny

    house, made_of = Path(models.__path__[0]), toys(config)
    sources = [*(house / name for name in COMPILED_FROM), Path(tiny.__file__)]
    folder = config.cache.mkdir("compiled") / _digest(sources)
    with alone():
        if not (folder / "made").exists():
            tiny.build(folder, made_of)
            (folder / "made").touch()
    return folder


def _digest(sources: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
