"""A `models.yaml` as nobody should write it: what it says is a problem or a CatalogError, never another exception."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from models import catalog
from models.catalog.entry import CatalogError, ModelEntry
from models.catalog.style import Style
from tests.support import model_files as files
from tests.support.model_files import write_model

values = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=9),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
ENTRY = {"name": "ink", "path": "ink.safetensors", "family": "lora"}
STYLE = {"id": "wet"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path / "good.safetensors", files.SD1)
    write_model(tmp_path / "ink.safetensors", files.LORA_SD1)
    (tmp_path / "circle").symlink_to("circle")
    os.mkfifo(tmp_path / "pipe")
    return tmp_path


def write_tables(folder: Path, **tables: Any) -> None:
    (folder / "models.yaml").write_text(json.dumps(tables))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    entry=some.dictionaries(some.sampled_from([*ModelEntry.model_fields, "for"]), values, max_size=3),
    style=some.dictionaries(some.sampled_from([*Style.model_fields]), values, max_size=2),
    item=values,
)
def test_odd_values_are_problems(folder: Path, entry: dict[str, Any], style: dict[str, Any], item: Any) -> None:
    write_tables(folder, models=[{**ENTRY, **entry}, entry, item], styles=[{**STYLE, **style}, item])
    try:
        read = catalog.read(folder)
    except CatalogError as error:
        assert "models.yaml is not valid YAML" in str(error)  # noqa: PT017 # some texts can be no YAML
    else:
        assert "good" in {other.name for other in read} or any(problem.path.stem == "good" for problem in read.problems)
        for problem in read.problems:
            assert "\n" not in problem.message


PATHS = ("circle", "pipe", "circle/x", "a\0b", "\ud800", "x" * 300, "/dev/zero", "good.safetensors/x", ".", "")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("field", ["path", "config", "encoder", "vae", "text_encoder"])
def test_odd_path_is_one_problem(folder: Path, field: str, path: str) -> None:
    write_tables(folder, models=[{**ENTRY, "path": "good.safetensors", "family": "sd1", field: path}])
    read = catalog.read(folder)
    assert all("models.yaml" in problem.message for problem in read.problems)
    for text in (each for problem in read.problems for each in (problem.message, *problem.names)):
        text.encode()


@pytest.mark.parametrize(
    "text",
    ["[" * 5000, "models: 2024-13-45", "a: !!int x", "a: !!bool x", "a: !!float x", "9" * 5000, "? [a]", "\x00", "!!x"],
)
def test_odd_text_is_a_catalog_error(folder: Path, text: str) -> None:
    (folder / "models.yaml").write_text(text)
    with pytest.raises(CatalogError, match=r"models\.yaml"):
        catalog.read(folder)


def test_list_that_is_no_file_is_a_catalog_error(folder: Path) -> None:
    for make in (lambda path: path.symlink_to(path), os.mkfifo, Path.mkdir):
        make(file := folder / "models.yaml")
        with pytest.raises(CatalogError, match=r"cannot read .*models\.yaml"):
            catalog.read(folder)
        file.rmdir() if file.is_dir() else file.unlink()
