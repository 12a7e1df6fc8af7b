"""What the pages for operators say to type, where it needs no running server."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from server.commands.preflight.weights import check_models
from server.settings import Settings

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
TOP_FOLDERS = ("server", "pipelines", "models")
COMMANDS = re.compile(r"```sh\n(.*?)```", re.DOTALL)


def commands(page: str, word: str) -> list[str]:
    """The lines of a page's commands that begin with this."""
    blocks = COMMANDS.findall((DOCS / page).read_text(encoding="utf-8"))
    return [line for block in blocks for line in block.splitlines() if line.startswith(word)]


def test_the_readme_lists_every_page() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in DOCS.glob("*.md") if f"(docs/{page.name})" not in readme]


FILE = re.compile(r"`((?:server|pipelines|models|tests|benchmarks|helm|k8s|deploy|docs)/[^`*{}<>… ]*(?:\.\w+|/))`")
PAGES = sorted(
    [
        *(*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "benchmarks").glob("*.md")),
        *(ROOT / "models/toy/README.md", ROOT / "clients/python/README.md"),
    ]
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    named = FILE.findall(page.read_text(encoding="utf-8"))
    assert not [name for name in named if not (ROOT / name).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_pictures_are_small_and_each_is_shown() -> None:
    pictures = sorted((DOCS / "images").iterdir())
    page = (DOCS / "page.md").read_text(encoding="utf-8")
    assert not [picture.name for picture in pictures if f"(images/{picture.name})" not in page]
    sizes = [picture.stat().st_size for picture in pictures]
    assert max(sizes) <= 150_000
    assert sum(sizes) <= 1_000_000


def test_every_folder_is_described() -> None:
    """docs/architecture.md has a line for each folder that holds Python files."""
    page = (DOCS / "architecture.md").read_text(encoding="utf-8")
    folders = {file.parent.relative_to(ROOT) for top in TOP_FOLDERS for file in (ROOT / top).glob("*/*.py")}
    assert not [str(folder) for folder in folders if f"`{folder}/" not in page]


def test_bill_of_materials_is_exported_from_the_lock(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "uv.lock", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    uv = os.environ.get("UV") or shutil.which("uv")
    assert uv, "uv is needed; `make test` brings it"
    for command in commands("install.md", "uv export"):
        subprocess.run(
            [uv, *command.split()[1:]],
            cwd=tmp_path,
            env=os.environ | {"UV_OFFLINE": "1"},
            check=True,
            capture_output=True,
        )
    bill = (tmp_path / "sbom.json").read_text()
    assert '"CycloneDX"' in bill
    assert all(f'"{package}"' in bill for package in ("torch", "fastapi"))
    assert '"pytest"' not in bill


def test_one_machine_takes_ten_commands_at_most() -> None:
    quick_start = (DOCS / "one-machine.md").read_text(encoding="utf-8").partition("\n## ")[0]
    lines = [line for block in COMMANDS.findall(quick_start) for line in block.splitlines()]
    assert 3 < sum(not line.startswith(" ") for line in lines) <= 10


def test_sums_as_the_docs_write_them_are_those_that_preflight_reads(tmp_path: Path) -> None:
    (tmp_path / "toy.safetensors").write_bytes(b"weights")
    (tmp_path / "models.yaml").write_text("models: [{name: toy, path: toy.safetensors, family: sd1}]")
    [command] = commands("install.md", "(cd")
    subprocess.run(["bash", "-ec", command], env=os.environ | {"HUA_MODELS_DIR": str(tmp_path)}, check=True)
    settings = Settings(data_dir=tmp_path / "data", models_dir=tmp_path)
    assert [finding.result for finding in check_models(settings)] == ["ok", "ok"]


@pytest.mark.parametrize("page", sorted(page.name for page in DOCS.glob("*.md")))
def test_commands_of_hua_are_ones_that_there_are(page: str) -> None:
    from server.__main__ import _parser

    for command in commands(page, "hua "):
        words = command.partition("#")[0].replace("'", "").split()[1:]
        plain = [word for word in words if word != "\\"]
        if "note" not in command:
            _parser().parse_args(plain)
