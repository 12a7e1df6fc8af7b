"""The page: the files that are checked in, and what its headers allow."""

import filecmp
import gzip
import json
import re
from pathlib import Path

import pytest

import pipelines
from server.api.problems import HTTP_ERRORS, STATUS_AND_CODE
from server.api.static.page_files import PAGE
from tests.support import page_build

OUTSIDE = re.compile(r"(?:https?:)?//(?!www\.w3\.org)[a-z0-9.-]+\.[a-z]{2,}", re.IGNORECASE)
FILES = sorted(file for file in PAGE.rglob("*") if file.is_file())
TEXTS = [file for file in FILES if file.suffix != ".webp"]
MAX_BYTES = 150_000
"""Of all files of the page, compressed."""


@pytest.mark.parametrize("file", TEXTS, ids=lambda file: file.name)
def test_page_has_no_external_urls(file: Path):
    assert not OUTSIDE.findall(file.read_text())


async def test_page_and_its_files_are_served(client):
    page = await client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    paths = re.findall(r'(?:src|href)="(?:\./)?(page/[^"]+)"', page.text)
    assert {f"page/{file.name}" for file in TEXTS if file.parent != PAGE} == set(paths)
    for file in FILES:
        reply = await client.get(f"/{file.relative_to(PAGE)}" if file.parent != PAGE else "/")
        assert (reply.status_code, reply.content) == (200, file.read_bytes())


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc", "/v1/models"])
async def test_content_security_policy_allows_no_other_servers(client, path):
    policy = (await client.get(path)).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_docs_load_scripts_from_this_server(client, path):
    sources = re.findall(r'(?:src|href)="([^"]+)"', (await client.get(path)).text)
    assert sources
    for source in sources:
        assert source.startswith("/")
        assert (await client.get(source)).status_code == 200


def test_build_is_that_of_the_sources(tmp_path: Path):
    """Fails after a change of the sources: run `make page`, and commit the build."""
    page_build.build(tmp_path)
    built = sorted(file for file in tmp_path.rglob("*") if file.is_file())
    assert [file.relative_to(tmp_path) for file in built] == [file.relative_to(PAGE) for file in FILES]
    for file in built:
        assert filecmp.cmp(file, PAGE / file.relative_to(tmp_path), shallow=False), f"{file.name}: run `make page`"


def test_page_is_small():
    assert sum(len(gzip.compress(file.read_bytes())) for file in FILES) < MAX_BYTES


def test_lock_names_no_registry():
    packages = json.loads((page_build.SOURCES / "package-lock.json").read_text())["packages"]
    assert not [name for name, package in packages.items() if "resolved" in package]


def test_all_words_of_the_server_are_in_chinese():
    """A new parameter, or a new description of one, needs its Chinese in i18n/server_zh.json."""
    chinese = json.loads((page_build.SOURCES / "i18n" / "server_zh.json").read_text("utf-8"))
    schemas = [pipeline.Params.model_json_schema()["properties"] for pipeline in pipelines.every()]
    fields = [field for schema in schemas for field in schema.items()]
    english = {
        "names": {name for name, _ in fields},
        "help": {field["description"] for _, field in fields if "description" in field},
        "titles": {pipeline.title for pipeline in pipelines.every()},
    }
    for kind, words in english.items():
        assert chinese[kind].keys() == words
    codes = {code for _, code in STATUS_AND_CODE.values()} | {code for code, _ in HTTP_ERRORS.values()}
    assert codes <= chinese["errors"].keys()
    for words in chinese.values():
        assert all(re.search("[\u4e00-\u9fff]", text) or text == "VAE" for text in words.values())
