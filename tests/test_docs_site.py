"""The site of the docs: it builds without a warning, has every page, and loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
LOADED = re.compile(r"""<(?:script|img|iframe|source)\b[^>]*?\bsrc=["']?([^"'\s>]+)""")
STYLES = re.compile(
    r"""<link\b(?=[^>]*\brel=["']?(?:stylesheet|icon|preload|preconnect))[^>]*?\bhref=["']?([^"'\s>]+)"""
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    result = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, "")
    return folder


def test_site_has_readmes_and_every_page(site: Path) -> None:
    """That the navigation has every page, too, is what --strict sees."""
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}
    pages = {page.with_name("index.html") if page.name == "README.html" else page for page in pages}
    assert {page for page in pages if not (site / page).exists()} == set()
    assert "Three requests and an image" in (site / "index.html").read_text(encoding="utf-8")
    assert "三个请求，一张图片" in (site / "zh" / "index.html").read_text(encoding="utf-8")


def test_site_loads_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        addresses = LOADED.findall(text) + STYLES.findall(text)
        assert addresses
        assert not [address for address in addresses if re.match(r"(https?:)?//", address)], page
    assert not [file for file in site.rglob("*.css") if re.search(r"""url\(["']?https?:""", file.read_text())]


def test_site_has_search_index(site: Path) -> None:
    assert "durable log" in (site / "search" / "search_index.js").read_text(encoding="utf-8").lower()


def test_search_knows_chinese_words_within_sentences() -> None:
    """Chinese has no spaces between words, so that a whole clause would be one word, and no search would find it."""
    [search] = [
        each["search"]
        for each in yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["plugins"]
        if "search" in each
    ]
    assert re.split(search["separator"], "涂抹蒙版，CUDA 设备") == ["涂", "抹", "蒙", "版", "CUDA", "设", "备"]


def test_links_out_of_docs_become_paths(site: Path) -> None:
    text = (site / "index.html").read_text(encoding="utf-8")
    assert "<code>CONTRIBUTING.md</code>" in text
    assert 'href="CONTRIBUTING.md"' not in text
    assert 'href="docs/' not in text
    assert 'href="zh/index.html"' in text
