"""Which suite a test belongs to, and which test files start first: decided by what a test needs, not by markers."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path
from typing import Literal

import pytest

from tests.support.imports import reached

Suite = Literal["fast", "standard", "slow"]
SUITES: tuple[Suite, ...] = ("fast", "standard", "slow")
TESTS = Path(__file__).parents[1]

SLOW_FIXTURES = frozenset(
    {"apiserver", "bench_report", "chaos", "gpu_day", "install_wheels", "own_service", "service_roles"}
)
"""Kubernetes' apiserver, `hua bench`, `benchmarks.gpu_day`, and whole deployments under faults: the last three start
torch several times each. `install_wheels` makes an environment, and downloads wheels."""
STANDARD_FIXTURES = {
    "service": 90,
    "observed": 30,
    "device": 30,
    "gather_wheels": 6,
    "compiled_dir": 60,
    "models_dir": 3,
    "running_kafka": 15,
    "own_kafka": 10,
    "running_redis": 0,
    "own_redis": 1,
    "running_s3": 1,
    "own_s3": 1,
}
"""Fixtures that start a server or a process with torch, or wait for a build, and about how many seconds they take."""
STANDARD_PARAMETERS = frozenset({"redis", "kafka", "s3"})
"""Values of a parameter that lead to `request.getfixturevalue` of such a fixture."""
STANDARD_IMPORTS = frozenset(
    {"torch", "helm.render", *(f"tests.support.{server}_server" for server in ("redis", "kafka", "s3"))}
)
"""A test file that imports one of these is not in the fast suite."""
TORCH_TEST_S, OTHER_TEST_S = 0.25, 0.05
"""What a test takes by itself, on average."""


def may_be_fast(path: Path) -> bool:
    """Whether a test file, or a folder's conftest.py, does without torch and servers."""
    file = path / "conftest.py" if path.is_dir() else path
    is_read = file.exists() and file.name.startswith(("test_", "conftest"))
    return path == TESTS or not (is_read and STANDARD_IMPORTS & reached(file))


@cache
def is_light(file: Path) -> bool:
    """Whether a test file, and each conftest.py around it, does without torch and servers."""
    return all(may_be_fast(path) for path in (file, *file.parents) if TESTS in path.parents)


def belongs(item: pytest.Item, suite: Suite) -> bool:
    """`make test` runs the fast tests, too."""
    own = suite_of(item)
    return own != "slow" if suite == "standard" else own == suite


def suite_of(item: pytest.Item) -> Suite:
    fixtures = set(getattr(item, "fixturenames", ()))
    if SLOW_FIXTURES & fixtures:
        return "slow"
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    served = any(isinstance(value, str) and value in STANDARD_PARAMETERS for value in parameters)
    return "standard" if served or STANDARD_FIXTURES.keys() & fixtures or not is_light(item.path) else "fast"


def longest_file_first(items: list[pytest.Item]) -> None:
    """Sorts tests in place, so that no worker is left alone with a long file at the end. Files stay whole."""
    seconds: Counter[Path] = Counter()
    fixtures: dict[Path, set[str]] = {}
    for item in items:
        seconds[item.path] += TORCH_TEST_S if "torch" in reached(item.path) else OTHER_TEST_S
        fixtures.setdefault(item.path, set()).update(getattr(item, "fixturenames", ()))
    for file, names in fixtures.items():
        seconds[file] += sum(STANDARD_FIXTURES.get(name, 0) for name in names)
    items.sort(key=lambda item: (-seconds[item.path], str(item.path)))


SCOPES = {
    "tests/end_to_end/test_serve.py": "one service",
    "tests/end_to_end/test_examples.py": "one service",
    "tests/end_to_end/test_bench.py": "one service",
    "tests/end_to_end/test_openai.py": "one service",
    "tests/end_to_end/page/": "one service",
    "tests/end_to_end/test_python_client.py": "one service",
    "tests/end_to_end/test_tools.py": "one service",
    "tests/server/broker/": "one Kafka",
}
"""Files that share what takes long to start, and so run in one process of pytest-xdist. The others run in any."""


def scope_of(nodeid: str) -> str:
    """Tests of one scope run in one process, one after another: those of a file, or of SCOPES."""
    file = nodeid.partition("::")[0]
    return next((scope for start, scope in SCOPES.items() if file.startswith(start)), file)
