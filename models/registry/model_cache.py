"""Where each model is (on the device, in host memory, on disk), and which one leaves when another needs room.

Bookkeeping and moves, without threads: `registry.py` decides when.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal

import torch

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.compiled.static_weights import StaticWeights
from models.device_faults import raise_if_lost
from models.diffusion.latent_diffusion import LatentDiffusion
from models.files.weights_error import one_line
from models.kinds import CHECKPOINT_FAMILIES
from models.loaded_model import LoadedModel

log = logging.getLogger(__name__)

Load = Callable[[ModelEntry, torch.device, torch.dtype], LoadedModel]


@dataclass(slots=True, eq=False)
class Slot:
    """The state of one model of the catalog."""

    entry: ModelEntry
    bytes: int
    """Its size: on disk until it was loaded once, then in memory."""
    model: LoadedModel | None = None
    location: Literal["disk", "moving", "host", "device"] = "disk"
    last_use: int = 0
    """The number of the last use; larger is more recent."""
    users: set[object] = field(default_factory=set)
    """The handles that pin it on the device."""
    leaving: bool = False
    """Whether the catalog does not have it any more, or its files have changed: only its present users still use it."""


@dataclass(slots=True)
class ModelCache:
    """All models of a catalog, and the two memories that they share."""

    catalog: Catalog
    device: torch.device
    dtype: torch.dtype
    device_budget_bytes: int
    host_budget_bytes: int
    load: Load
    slots: dict[str, Slot] = field(init=False)
    """Of the catalog's models, by name."""
    _leaving: list[Slot] = field(default_factory=list)
    uses: int = 0
    loads: Counter[str] = field(default_factory=Counter)
    """Models brought to the device, by where they came from."""
    evictions: Counter[str] = field(default_factory=Counter)
    """Models evicted from the device, by where they went."""
    _left_behind: StaticWeights | None = None
    """The device memory of the denoiser that was evicted last, until the next one has taken it over."""

    def __post_init__(self) -> None:
        self.slots = {entry.name: Slot(entry, entry.bytes) for entry in self.catalog}

    def at(self, location: Literal["host", "device"]) -> list[Slot]:
        """The models at this location: those that are leaving, then the least recently used first."""
        slots = (slot for slot in (*self.slots.values(), *self._leaving) if slot.location == location)
        return sorted(slots, key=lambda slot: (not slot.leaving, slot.last_use))

    def bytes_at(self, location: Literal["host", "device"]) -> int:
        return sum(slot.bytes for slot in self.at(location))

    def use(self, slot: Slot, user: object) -> None:
        self.uses += 1
        slot.last_use = self.uses
        slot.users.add(user)

    def follow(self, catalog: Catalog) -> list[str]:
        """Takes over a newer catalog; names of the models that are gone, or would be loaded from other files now."""
        before, self.slots = self.slots, {}
        for entry in catalog:
            slot = before.get(entry.name)
            if slot is not None and slot.entry.loads_like(entry):
                slot.entry = entry
                self.slots[entry.name] = before.pop(entry.name)
            else:
                self.slots[entry.name] = Slot(entry, entry.bytes)
        for slot in before.values():
            slot.leaving = True
        self._leaving += before.values()
        return list(before)

    @property
    def unneeded(self) -> list[Slot]:
        """Models that are leaving and have no users."""
        return [slot for slot in self._leaving if not slot.users]

    def drop_unneeded(self) -> None:
        """Not to be called while one is being moved."""
        unneeded = self.unneeded
        for slot in unneeded:
            self._leaving.remove(slot)
            if slot.location != "disk":
                log.info("%s: dropped, for its files have changed or are gone", slot.entry.name)
            self._drop(slot)
        if unneeded:
            torch.cuda.empty_cache()

    def is_short_of(self, more_bytes: int) -> bool:
        return self.bytes_at("device") + more_bytes > self.device_budget_bytes

    def next_to_evict(self, staying: Collection[Slot]) -> Slot | None:
        """The least recently used model on the device that has no users and is not one of `staying`."""
        return next((slot for slot in self.at("device") if not slot.users and slot not in staying), None)

    def bring(self, slot: Slot) -> None:
        """Puts a model on the device, from host memory or from disk. Raises whatever its loader raises."""
        started, origin = time.monotonic(), slot.location
        slot.location = "moving"
        try:
            slot.model = self._on_device(slot)
        except BaseException:
            self._drop(slot)
            raise
        slot.bytes = slot.model.bytes
        slot.location = "device"
        self.loads[origin] += 1
        log.info("%s: from %s in %.1f s, %d MB", slot.entry.name, origin, time.monotonic() - started, slot.bytes >> 20)

    def evict(self, slot: Slot, coming: Slot) -> None:
        """Moves a model off the device: to host memory if it fits there, for which other models are dropped."""
        in_host_memory = [other for other in self.at("host") if other is not coming]
        while in_host_memory and sum(other.bytes for other in in_host_memory) + slot.bytes > self.host_budget_bytes:
            self._drop(in_host_memory.pop(0))
        try:
            self._move_to_host(slot, coming)
        except (RuntimeError, MemoryError) as error:
            raise_if_lost(error)
            log.warning("%s: dropped, for it cannot be moved to host memory: %s", slot.entry.name, one_line(error))
            self._drop(slot)
        torch.cuda.empty_cache()
        self.evictions[slot.location] += 1
        log.info("%s: to %s", slot.entry.name, slot.location)

    def _move_to_host(self, slot: Slot, coming: Slot) -> None:
        drop = slot.leaving or slot.bytes > self.host_budget_bytes
        replaced = coming.location != "device" and coming.entry.family == slot.entry.family
        if replaced and isinstance(slot.model, LatentDiffusion):
            self._left_behind = slot.model.leave(for_good=drop)
            slot.location = "host"
        if drop or slot.model is None:
            self._drop(slot)
        elif slot.location != "host":
            slot.model.to(torch.device("cpu"))
            slot.location = "host"

    def _on_device(self, slot: Slot) -> LoadedModel:
        """The model, on the device; if a checkpoint of its family was just evicted, in the memory of that one."""
        left_behind, self._left_behind = self._left_behind, None
        if left_behind is None or slot.entry.family not in CHECKPOINT_FAMILIES:
            left_behind = None  # frees that memory before the model is loaded
            model = slot.model or self.load(slot.entry, self.device, self.dtype)
            model.to(self.device)
            return model
        model = slot.model or self.load(slot.entry, torch.device("cpu"), self.dtype)
        if isinstance(model, LatentDiffusion):
            model.to(self.device, left_behind)
        return model

    def _drop(self, slot: Slot) -> None:
        slot.model = None
        slot.location = "disk"
