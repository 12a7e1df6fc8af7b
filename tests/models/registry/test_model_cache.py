from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from models.catalog.entry import ModelEntry
from models.device_faults import DeviceLostError
from models.registry.model_cache import ModelCache
from tests.support.fake_cuda import ILLEGAL_ADDRESS, cuda_error

CPU = torch.device("cpu")


class FakeModel:
    """A model of ten bytes that records where it was moved."""

    def __init__(self, entry: ModelEntry) -> None:
        self.name, self.family, self.device, self.bytes = entry.name, entry.family, CPU, 10
        self.moves: list[torch.device] = []

    def to(self, device: torch.device) -> None:
        self.moves.append(device)


def cache_of(*names: str, device_bytes: int = 20, host_bytes: int = 0, load: Any = None) -> ModelCache:
    catalog: Any = [ModelEntry(name=name, path=Path(name), family="upscaler", bytes=5) for name in names]
    return ModelCache(
        catalog, CPU, torch.float32, device_bytes, host_bytes, load or (lambda entry, *_: FakeModel(entry))
    )


def test_bring_loads_a_model_once_and_learns_its_size() -> None:
    cache = cache_of("one", "two")
    slot = cache.slots["one"]
    assert (slot.location, slot.bytes) == ("disk", 5)
    cache.bring(slot)
    assert (slot.location, slot.bytes, cache.bytes_at("device")) == ("device", 10, 10)
    assert cache.loads == {"disk": 1}
    assert cache.is_short_of(11)
    assert not cache.is_short_of(10)


def test_next_to_evict_is_the_least_recently_used_without_users() -> None:
    cache = cache_of("one", "two", "three")
    for name in cache.slots:
        cache.bring(cache.slots[name])
        cache.use(cache.slots[name], "user")
    assert cache.next_to_evict(staying=()) is None
    for name in ("two", "one"):
        cache.slots[name].users.clear()
    assert cache.next_to_evict(staying=()) is cache.slots["one"]
    assert cache.next_to_evict(staying=(cache.slots["one"],)) is cache.slots["two"]


def test_evict_drops_the_oldest_from_host_memory_for_room() -> None:
    cache = cache_of("one", "two", "three", host_bytes=10)
    one, two, three = cache.slots.values()
    cache.bring(one)
    cache.evict(one, coming=two)
    assert (one.location, one.model is not None) == ("host", True)
    cache.bring(two)
    cache.evict(two, coming=three)
    assert (one.location, one.model, two.location) == ("disk", None, "host")
    assert cache.evictions == {"host": 2}
    cache.bring(two)
    assert cache.loads == {"disk": 2, "host": 1}


def test_evict_drops_a_model_larger_than_the_host_budget() -> None:
    cache = cache_of("one", "two")
    one, two = cache.slots.values()
    cache.bring(one)
    cache.evict(one, coming=two)
    assert (one.location, one.model) == ("disk", None)


def test_failed_load_leaves_the_model_on_disk() -> None:
    def fail(*_: object) -> Any:
        raise OSError("gone")

    cache = cache_of("one", load=fail)
    with pytest.raises(OSError, match="gone"):
        cache.bring(cache.slots["one"])
    assert cache.slots["one"].location == "disk"
    assert not cache.loads


class Stuck(FakeModel):
    """Cannot leave the device."""

    def __init__(self, entry: ModelEntry, error: Exception) -> None:
        super().__init__(entry)
        self._error = error

    def to(self, device: torch.device) -> None:
        super().to(device)
        if len(self.moves) > 1:
            raise self._error


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: not enough memory")])
def test_evict_drops_a_model_that_cannot_be_moved(error: Exception) -> None:
    """It would keep its memory on the device, uncounted."""
    cache = cache_of("one", "two", host_bytes=10, load=lambda entry, *_: Stuck(entry, error))
    one, two = cache.slots.values()
    cache.bring(one)
    cache.evict(one, coming=two)
    assert (one.location, one.model, cache.evictions) == ("disk", None, {"disk": 1})


def test_evict_says_that_the_device_is_lost() -> None:
    cache = cache_of("one", "two", host_bytes=10, load=lambda entry, *_: Stuck(entry, cuda_error(ILLEGAL_ADDRESS)))
    one, two = cache.slots.values()
    cache.bring(one)
    with pytest.raises(DeviceLostError):
        cache.evict(one, coming=two)
