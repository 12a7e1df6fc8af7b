"""What a device process loads before it is ready."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from models import catalog
from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.loaded_model import LoadedModel
from models.registry import loaders
from models.registry.registry import Registry
from server.settings import Settings
from server.worker import device_start
from server.worker.device_start import load_first_models
from tests.support import model_files
from tests.support.model_files import write_model

CPU = torch.device("cpu")
Load = Callable[[ModelEntry, torch.device, torch.dtype], LoadedModel]


@pytest.fixture
def toys(models_dir: Path) -> Catalog:
    return catalog.read(models_dir)


@pytest.fixture
def registry_of(toys: Catalog) -> Iterator[Callable[[Load], Registry]]:
    registries: list[Registry] = []

    def make(load: Load) -> Registry:
        registries.append(Registry(toys, CPU, torch.float32, 1 << 30, 0, load))
        return registries[-1]

    yield make
    for registry in registries:
        registry.close()


def refuse(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> LoadedModel:
    raise OSError(f"{entry.path} is torn")


def test_default_model_is_loaded_and_measured(registry_of: Callable[[Load], Registry], toys: Catalog) -> None:
    registry, reports, measured = registry_of(loaders.load), list[str](), list[object]()

    def measure(checkpoint: object, *, on_progress: Callable[[], None]) -> None:
        measured.append(checkpoint)
        on_progress()

    load_first_models(registry, Settings(audit="toy-safety"), measure, reports.append)
    assert len(measured) == 1
    assert set(registry.resident) == {toys.default.name, "toy-safety"}
    assert [*dict.fromkeys(reports)] == [
        "loads toy-safety",
        "loads the default model",
        "measures the default model",
    ]


def test_broken_models_do_not_end_the_start(
    registry_of: Callable[[Load], Registry], caplog: pytest.LogCaptureFixture
) -> None:
    registry = registry_of(refuse)
    load_first_models(registry, Settings(audit="toy-safety"), pytest.fail, lambda activity: None)
    assert caplog.text.count("is torn") == 2
    assert "tasks of other models run" in caplog.text


def test_start_waits_for_a_folder_that_is_not_there_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_start, "REPORT_S", 0.0)
    folder, reports = tmp_path / "models", list[str]()

    def report(activity: str) -> None:
        reports.append(activity)
        write_model(folder / "x.safetensors", model_files.SD1)

    models = device_start.read_catalog([folder], report)
    assert [entry.name for entry in models] == ["x"]
    assert len(reports) == 1
    assert f"waits for its models: {folder} is not a folder" in reports[0]


def test_model_that_fails_its_measurement_does_not_end_the_start(
    registry_of: Callable[[Load], Registry], caplog: pytest.LogCaptureFixture
) -> None:
    def measure(checkpoint: object, *, on_progress: Callable[[], None]) -> None:
        raise RuntimeError("shapes differ")

    load_first_models(registry_of(loaders.load), Settings(), measure, lambda activity: None)
    assert "could not measure it" in caplog.text


def test_registry_says_what_it_loads_and_since_when(registry_of: Callable[[Load], Registry], toys: Catalog) -> None:
    began, go_on = threading.Event(), threading.Event()

    def wait(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> LoadedModel:
        began.set()
        go_on.wait()
        return refuse(entry, device, dtype)

    registry = registry_of(wait)
    assert registry.loading is None
    handle = registry.acquire([""])
    began.wait()
    assert registry.loading is not None
    assert registry.loading[0] == toys.default.name
    assert registry.loading[1] >= 0
    go_on.set()
    with pytest.raises(Exception, match="is torn"):
        handle.wait(60.0)
    assert registry.loading is None
