from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from models.adapters.lora import LoraError
from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.kinds.captioner import CAPTIONER
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from models.kinds.upscaler import UPSCALER
from models.registry.handle import ModelHandle, ModelLoadError, WrongFamilyError
from models.registry.model_cache import Slot


class Pool:
    """Records what is released."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.released: list[ModelHandle] = []

    def release(self, handle: ModelHandle) -> None:
        self.released.append(handle)


def handle_on(**families: str) -> ModelHandle:
    """A ready handle on models of these families, by name."""
    entries = [ModelEntry(name=name, path=name, family=family) for name, family in families.items()]
    models: dict[str, Any] = {name: SimpleNamespace(name=name, family=family) for name, family in families.items()}
    slots = {entry.name: Slot(entry, 0, models[entry.name]) for entry in entries}
    handle = ModelHandle(Pool(), Catalog(entries), slots)
    for slot in slots.values():
        slot.users.add(handle)
    return handle


def test_get_returns_the_model_of_the_kind() -> None:
    handle = handle_on(toy="sdxl", blip="captioner")
    assert handle.get(ModelRef(CHECKPOINT, "toy")) is handle.slots["toy"].model
    assert handle.get(ModelRef(CAPTIONER, "blip")) is handle.slots["blip"].model


def test_get_refuses_a_model_that_the_handle_does_not_pin() -> None:
    handle = handle_on(toy="sdxl")
    handle.slots["toy"].users.clear()
    with pytest.raises(KeyError, match="'toy' is not pinned"):
        handle.get(ModelRef(CHECKPOINT, "toy"))


def test_entries_are_what_its_models_are_loaded_from() -> None:
    handle = handle_on(blip="captioner", toy="sdxl")
    assert [(entry.name, entry.family) for entry in handle.entries] == [("blip", "captioner"), ("toy", "sdxl")]


def test_get_refuses_a_model_of_another_kind() -> None:
    handle = handle_on(esr="upscaler", toy="sd1")
    with pytest.raises(WrongFamilyError, match=r"'esr' is of family upscaler, which cannot generate .* sd1, sd2, sdxl"):
        handle.get(ModelRef(CHECKPOINT, "esr"))
    with pytest.raises(WrongFamilyError, match="cannot enlarge an image; name one of family upscaler"):
        handle.get(ModelRef(UPSCALER, "toy"))


def test_wait_on_a_failed_handle_raises() -> None:
    handle = ModelHandle(Pool(), Catalog(()), {})
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
    handle = ModelHandle(Pool(), Catalog(()), {})
    handle.fail("model 'toy' could not be loaded", cause)
    with pytest.raises(ModelLoadError) as raised:
        handle.wait(0)
    assert raised.value.code == code


def test_context_manager_releases_the_handle() -> None:
    pool = Pool()
    with ModelHandle(pool, Catalog(()), {}) as handle:
        assert pool.released == []
    assert pool.released == [handle]
