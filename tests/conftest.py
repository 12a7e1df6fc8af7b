"""What all tests share."""

import gc
import hashlib
import os
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import models
from tests.support.kafka_server import KafkaServer
from tests.support.redis_server import RedisServer
from tests.support.s3_server import ExternalS3Server, S3Server, executable
from tests.support.suites import SUITES, belongs, longest_file_first, may_be_fast, scope_of
from tests.support.tools import build_lock

# Set before torch is imported: threads that spin while they wait slow a busy machine down several times.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# How long an example takes depends on how busy the machine is. Each run tries the same examples, so that no change is
# held up by an old fault that chance finds now; `make explore` looks for such faults.
hypothesis.settings.register_profile("hua", deadline=None, derandomize=True)
hypothesis.settings.register_profile("explore", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("hua")

TOY_SOURCES = ("toy/*.py", "toy/weights/*")
COMPILED_SOURCES = (
    *(f"compiled/{name}.py" for name in ("forward_pass", "compile_worker", "options")),
    "patches/cross_attention_cache.py",
)
COMPILED_S = 900


def pytest_addoption(parser: pytest.Parser) -> None:
    help = "run one of the suites that tests/support/suites.py tells apart; without it, all tests"
    parser.addoption("--suite", choices=SUITES, help=help)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """To read a file that imports torch takes longer than the fast suite has."""
    return True if config.getoption("suite") == "fast" and not may_be_fast(collection_path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if suite := config.getoption("suite"):
        chosen = [item for item in items if belongs(item, suite)]
        config.hook.pytest_deselected(items=list(set(items) - set(chosen)))
        items[:] = chosen
    longest_file_first(items)
    for item in items:
        if "compiled_dir" in getattr(item, "fixturenames", ()):
            # The first test that needs it waits for the compiler.
            item.add_marker(pytest.mark.timeout(COMPILED_S))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Prepares what is too slow for tests."""
    # Modules live as long as the process. To search them for garbage takes seconds each time, in torch's processes.
    gc.collect()
    gc.freeze()
    # To build the S3 server may take longer than the time limit of a test.
    if any({"running_s3", "own_s3"} & set(getattr(item, "fixturenames", ())) for item in session.items):
        executable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from xdist.scheduler import LoadScopeScheduling

    class ByScope(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    return ByScope(config, log)


@pytest.fixture(scope="session")
def running_redis() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_server(running_redis: RedisServer) -> RedisServer:
    """An empty one."""
    running_redis.flush()
    return running_redis


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """One that a test may stop and reconfigure."""
    server = RedisServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    return redis_server.url


@pytest.fixture(scope="session")
def running_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """The server that HUA_TEST_S3 names, or one of our own."""
    external = os.environ.get("HUA_TEST_S3")
    server = ExternalS3Server(external) if external else S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def running_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Kafka that all tests share: HUA_TEST_KAFKA=host:port, or one of our own."""
    if external := os.environ.get("HUA_TEST_KAFKA"):
        yield external
        return
    server = KafkaServer(tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server.address
    server.stop()


@pytest.fixture
def s3_settings(running_s3: S3Server) -> dict[str, object]:
    """Settings that lead to an empty prefix of a bucket."""
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
    """No topics exist under its prefix. They get one partition, which keeps the order of all records."""
    return f"kafka://{running_kafka}/hua-{uuid.uuid4().hex}.?partitions=1"


@pytest.fixture(scope="session", autouse=True)
def without_model_packages() -> Iterator[None]:
    """What catalogs hold must not depend on the packages that are installed."""
    from models.catalog import packages

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packages, "PACKAGES", ())
        yield


@pytest.fixture(scope="session")
def models_dir(pytestconfig: pytest.Config) -> Path:
    """The toy models, built again when their sources have changed."""
    return build_toys(pytestconfig)


@pytest.fixture(scope="session")
def compiled_dir(pytestconfig: pytest.Config) -> Path:
    """A folder with the checkpoint `tiny` and, in `packages`, the packages that `hua compile` wrote for it."""
    return build_compiled(pytestconfig)


@pytest.fixture(scope="session")
def package(compiled_dir: Path) -> Path:
    """The file of the guided step of one image of `tiny`."""
    [file] = (compiled_dir / "packages").glob("*.pt2")
    return file


def build_toys(config: pytest.Config) -> Path:
    folder = config.cache.mkdir("toys") / _digest(_sources(TOY_SOURCES))
    with build_lock():
        if not (folder / "models.yaml").exists():
            subprocess.run([sys.executable, "-m", "models.toy", str(folder)], check=True)
    return folder


def build_compiled(config: pytest.Config) -> Path:
    from tests.support import tiny

    toys = build_toys(config)
    folder = config.cache.mkdir("compiled") / _digest([*_sources(COMPILED_SOURCES), Path(tiny.__file__)])
    with build_lock():
        if not (folder / "complete").exists():
            tiny.build(folder, toys)
            (folder / "complete").touch()
    return folder


def _sources(patterns: Iterable[str]) -> list[Path]:
    folder = Path(models.__path__[0])
    return [file for pattern in patterns for file in sorted(folder.glob(pattern))]


def _digest(sources: Iterable[Path]) -> str:
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
