from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models.adapters.lora import LoraError
from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.kinds.captioner import CAPTIONER
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.upscaler import UPSCALER
from models.registry.handle import ModelHandle, ModelLoadError, WrongFamilyError


class Pool:
    """Loaded models by name; records what is released."""

    def __init__(self, **families: str) -> None:
        self.changed = threading.Condition()
        self.models = {name: SimpleNamespace(name=name, family=family) for name, family in families.items()}
        self.released: list[ModelHandle] = []

    def loaded(self, handle: ModelHandle, model: AnyModelRef | str) -> Any:
        return self.models[model if isinstance(model, str) else model.name]

    def entry(self, name: str) -> ModelEntry:
        return ModelEntry(name=name, path=name, family=self.models[name].family)

    def release(self, handle: ModelHandle) -> None:
        self.released.append(handle)


def test_get_returns_the_model_of_the_kind() -> None:
    pool = Pool(toy="sdxl", blip="captioner")
    handle = ModelHandle(pool, ("toy", "blip"))
    assert handle.get(ModelRef(CHECKPOINT, "toy")) is pool.models["toy"]
    assert handle.get(ModelRef(CAPTIONER, "blip")) is pool.models["blip"]


def test_entries_are_what_its_models_are_loaded_from() -> None:
    handle = ModelHandle(Pool(toy="sdxl", blip="captioner"), ("blip", "toy"))
    assert [(entry.name, entry.family) for entry in handle.entries] == [("blip", "captioner"), ("toy", "sdxl")]


def test_get_refuses_a_model_of_another_kind() -> None:
    handle = ModelHandle(Pool(esr="upscaler", toy="sd1"), ("esr", "toy"))
    with pytest.raises(WrongFamilyError, match=r"'esr' is of family upscaler, which cannot generate .* sd1, sd2, sdxl"):
        handle.get(ModelRef(CHECKPOINT, "esr"))
    with pytest.raises(WrongFamilyError, match="cannot enlarge an image; name one of family upscaler"):
        handle.get(ModelRef(UPSCALER, "toy"))


def test_wait_on_a_failed_handle_raises() -> None:
    handle = ModelHandle(Pool(), ("toy",))
    assert not handle.ready
    handle.fail("model 'toy' could not be loaded: gone", FileNotFoundError("gone"))
    for _ in range(2):
        with pytest.raises(ModelLoadError, match="could not be loaded: gone"):
            handle.wait(0)


@pytest.mark.parametrize(
    ("cause", "code"),
    [
        (WeightsError("cut short"), "bad_model"),
        (LoraError("no LoRA"), "bad_model"),
        (torch.OutOfMemoryError(), "out_of_memory"),
        (RuntimeError("Cannot copy out of meta tensor"), "internal"),
    ],
)
def test_failure_to_load_has_the_code_of_its_cause(cause: Exception, code: str) -> None:
    handle = ModelHandle(Pool(), ("toy",))
    handle.fail("model 'toy' could not be loaded", cause)
    with pytest.raises(ModelLoadError) as raised:
        handle.wait(0)
    assert raised.value.code == code


def test_context_manager_releases_the_handle() -> None:
    pool = Pool()
    with ModelHandle(pool, ()) as handle:
        assert pool.released == []
    assert pool.released == [handle]
