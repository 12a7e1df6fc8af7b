"""The arrows between the three houses run one way, and the API's house is free of torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "diffusers", "transformers", "scipy")


def imported(file: Path) -> set[str]:
    """Modules that a file imports, at the top or inside functions; what only the type checker sees is left out."""
    tree = ast.parse(file.read_text())
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


@pytest.mark.parametrize(("house", "forbidden"), [("models", ("server", "pipelines")), ("pipelines", ("server",))])
def test_arrows_run_one_way(house: str, forbidden: tuple[str, ...]) -> None:
    wrong = [
        f"{file.relative_to(ROOT)} imports {name}"
        for file in (ROOT / house).rglob("*.py")
        for name in imported(file)
        if name.split(".")[0] in forbidden
    ]
    assert not wrong


@pytest.mark.parametrize(
    "module",
    [
        "server.api.app",
        "server.worker.worker",
        "server.controller",
        "server.roles",
        "server.commands.bench.run",
        "server.commands.preflight",
        "pipelines",
        "models.catalog.catalog",
    ],
)
def test_parents_do_not_import_torch(module: str) -> None:
    code = f"import sys, {module}; print(*(set(sys.modules) & set({HEAVY!r})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize(
    "module",
    [
        "server.broker.kafka.broker",
        "server.broker.sqlite.broker",
        "server.queue.redis.queue",
        "server.queue.memory.queue",
        "server.storage.s3",
    ],
)
def test_only_services_picks_implementations(module: str) -> None:
    importers = [str(file.relative_to(ROOT)) for file in (ROOT / "server").rglob("*.py") if module in imported(file)]
    assert importers == ["server/services.py"]
