"""How the suites of tests/support/suites.py are told apart, and how files are ordered."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.imports import ROOT, imported, reached
from tests.support.suites import SCOPES, belongs, longest_file_first, may_be_fast, scope_of

HERE = Path(__file__)
TORCH_TEST = HERE.parent / "models" / "test_weights.py"


def item(path: Path, *fixtures: str, **parameters: object) -> Any:
    """What the functions under test read of a pytest item."""
    return SimpleNamespace(path=path, fixturenames=fixtures, callspec=SimpleNamespace(params=parameters))


def test_imports_are_followed_through_our_files() -> None:
    assert "torch" in reached(ROOT / "server" / "worker" / "device_main.py")
    assert "torch" not in reached(ROOT / "server" / "api" / "app.py")


def test_imports_of_functions_and_type_checkers_do_not_count(tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text("import os.path\nif TYPE_CHECKING:\n    import torch\ndef later():\n    import diffusers\n")
    assert imported(file) == {"os"}


@pytest.mark.parametrize(
    ("test", "suites"),
    [
        (item(HERE), {"fast", "standard"}),
        (item(HERE, "tmp_path", kind="memory"), {"fast", "standard"}),
        (item(HERE, kind="redis"), {"standard"}),
        (item(HERE, "models_dir"), {"standard"}),
        (item(TORCH_TEST), {"standard"}),
        (item(HERE, "chaos"), {"slow"}),
    ],
)
def test_suite_follows_from_what_a_test_needs(test: Any, suites: set[str]) -> None:
    assert {suite for suite in ("fast", "standard", "slow") if belongs(test, suite)} == suites


def test_fast_suite_does_not_read_files_with_torch() -> None:
    assert may_be_fast(HERE)
    assert not may_be_fast(TORCH_TEST)


def test_longest_file_comes_first_and_files_stay_whole() -> None:
    short, long = HERE, TORCH_TEST
    items = [item(short), item(long, "service"), item(short), item(long)]
    longest_file_first(items)
    assert [test.path for test in items] == [long, long, short, short]
    assert items[0].fixturenames == ("service",)


def test_scopes_name_files_that_exist() -> None:
    assert all((ROOT / start).exists() for start in SCOPES)
    assert scope_of("tests/end_to_end/test_serve.py::test_a") == scope_of("tests/end_to_end/test_examples.py::test_b")
    assert scope_of("tests/test_task.py::test_a[x]") == "tests/test_task.py"
