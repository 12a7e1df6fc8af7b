"""A models folder that changes while its catalog is in use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from models import catalog
from models.catalog.catalog import BrokenModelError, Catalog, UnknownModelError
from models.catalog.entry import CatalogError
from models.catalog.live_catalog import NOT_READ, Changes, LiveCatalog
from tests.support import model_files as files
from tests.support.model_files import write_model
from tests.support.models_yaml import write_entries


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path / "dream.safetensors", files.SD1)
    write_model(tmp_path / "ink.safetensors", files.LORA_SD1)
    return tmp_path


def set_time(file: Path, seconds: int) -> None:
    os.utime(file, (seconds, seconds))


def test_refresh_says_what_was_added_changed_and_removed(folder: Path) -> None:
    live = LiveCatalog.of([folder])
    earlier = live.current
    assert live.refresh() == Changes()
    assert live.current is earlier
    write_model(folder / "new.safetensors", files.LORA_SD1)
    set_time(folder / "dream.safetensors", 1)
    (folder / "ink.safetensors").unlink()
    assert live.refresh() == Changes(added=("new",), changed=("dream",), removed=("ink",))
    assert live.current.find("new").family == "lora"
    with pytest.raises(UnknownModelError):
        live.current.find("ink")
    assert earlier.find("ink").family == "lora"


def test_every_file_of_a_model_counts(folder: Path) -> None:
    part = folder / "config" / "unet" / "config.json"
    part.parent.mkdir(parents=True)
    part.write_text("{}")
    write_entries(folder, "{name: dream, path: dream.safetensors, config: config}")
    live = LiveCatalog.of([folder])
    set_time(part, 1)
    assert live.refresh().changed == ("dream",)
    assert live.refresh() == Changes()


def test_models_yaml_is_read_again(folder: Path) -> None:
    live = LiveCatalog.of([folder])
    write_entries(folder, "{name: dream, aliases: [v1.5], title: A dream}")
    assert live.refresh() == Changes(changed=("dream",))
    assert live.current.find("v1.5").title == "A dream"


def test_broken_yaml_keeps_all_models_and_says_so(folder: Path) -> None:
    write_entries(folder, "{name: dream, aliases: [v1.5]}")
    live = LiveCatalog.of([folder])
    (folder / "models.yaml").write_text("models:\n  - {name: dream, aliases: [")
    write_model(folder / "new.safetensors", files.LORA_SD1)
    for _ in range(2):
        assert live.refresh() == Changes()
        [problem] = live.current.problems
        assert "models.yaml is not valid YAML" in problem.message
        assert problem.message.endswith("until then all models stay as they were")
        assert problem.names == (NOT_READ,)
        assert live.current.find("v1.5").name == "dream"
    write_entries(folder, "{name: dream, aliases: [v1.6]}")
    assert live.refresh() == Changes(added=("new",), changed=("dream",))
    assert live.current.problems == ()


def test_folder_that_vanishes_for_a_moment_takes_no_model_with_it(folder: Path) -> None:
    models = folder / "models"
    write_model(models / "x.safetensors", files.SD1)
    live = LiveCatalog.of([models])
    models.rename(folder / "away")
    assert live.refresh() == Changes()
    assert live.current.find("x").family == "sd1"
    assert "is not a folder; create it" in live.current.problems[0].message
    (folder / "away").rename(models)
    assert live.refresh() == Changes()
    assert live.current.problems == ()


def test_disk_that_fails_takes_no_model_with_it(folder: Path) -> None:
    results = [catalog.read(folder), OSError(5, "Input/output error"), CatalogError("gone")]

    def read() -> Catalog:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    live = LiveCatalog(read)
    for message in ("Input/output error", "gone"):
        live.refresh()
        assert message in live.current.problems[0].message
        assert live.current.find("dream").family == "sd1"


def test_listeners_get_each_new_catalog(folder: Path) -> None:
    live, heard = LiveCatalog.of([folder]), list[Catalog]()
    end = live.listen(heard.append)
    live.refresh()
    assert heard == []
    (folder / "old.ckpt").write_bytes(b"\x80")
    set_time(folder / "old.ckpt", 1)
    assert live.refresh() == Changes()
    assert heard == [live.current]
    with pytest.raises(BrokenModelError, match="is a pickle"):
        live.current.find("old")
    end()
    (folder / "old.ckpt").unlink()
    live.refresh()
    assert len(heard) == 1


def test_fault_of_the_program_takes_no_model_with_it(folder: Path) -> None:
    good = catalog.read(folder)
    errors = TypeError("odd"), RuntimeError("Symlink loop"), RecursionError(), MemoryError()
    results = [good, *errors, good]

    def read() -> Catalog:
        result = results.pop(0)
        if isinstance(result, Exception):
            raise result
        return result

    live = LiveCatalog(read)
    for error in errors:
        live.refresh()
        assert f"the models cannot be read ({type(error).__name__}: {error}" in live.current.problems[0].message
        assert live.current.find("dream").family == "sd1"
    live.refresh()
    assert live.current is good


def test_listener_that_fails_ends_neither_the_refresh_nor_the_others(folder: Path) -> None:
    live, heard = LiveCatalog.of([folder]), list[Catalog]()

    def fail(new: Catalog) -> None:
        raise RuntimeError("Event loop is closed")

    live.listen(fail)
    live.listen(heard.append)
    (folder / "ink.safetensors").unlink()
    assert live.refresh() == Changes(removed=("ink",))
    assert heard == [live.current]
