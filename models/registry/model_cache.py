"""Which models are where (on the device, in host memory, on disk), and which must leave for another to come.

Bookkeeping and moves, no threads: `registry.py` says when.
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
from models.catalog.entry import DIFFUSION, ModelEntry
from models.compiled.static_weights import StaticWeights
from models.diffusion.latent_diffusion import LatentDiffusion
from models.registry.loaders import LoadedModel

log = logging.getLogger(__name__)

Load = Callable[[ModelEntry, torch.device, torch.dtype], LoadedModel]


@dataclass(slots=True)
class Slot:
    """The place of one model of the catalog."""

    entry: ModelEntry
    bytes: int
    """What it weighs: on disk until it was loaded once, then in memory."""
    model: LoadedModel | None = None
    place: Literal["disk", "moving", "host", "device"] = "disk"
    used: int = 0
    """Larger is more recent."""
    users: set[object] = field(default_factory=set)
    """Those who rely on its being on the device."""


@dataclass(slots=True)
class ModelCache:
    """All models of a catalog, and the two memories they share."""

    catalog: Catalog
    device: torch.device
    dtype: torch.dtype
    device_budget_bytes: int
    host_budget_bytes: int
    load: Load
    slots: dict[str, Slot] = field(init=False)
    uses: int = 0
    loads: Counter[str] = field(default_factory=Counter)
    """Models brought to the device, by where they came from."""
    evictions: Counter[str] = field(default_factory=Counter)
    """Models sent away from it, by where they went."""
    _behind: StaticWeights | None = None
    """What the last one to leave for another left on the device, until that one has come."""

    def __post_init__(self) -> None:
        self.slots = {entry.name: Slot(entry, entry.bytes) for entry in self.catalog}

    def at(self, place: Literal["host", "device"]) -> list[Slot]:
        """The models there, the least recently used first."""
        return sorted((slot for slot in self.slots.values() if slot.place == place), key=lambda slot: slot.used)

    def weight(self, place: Literal["host", "device"]) -> int:
        return sum(slot.bytes for slot in self.at(place))

    def use(self, name: str, user: object) -> None:
        self.uses += 1
        self.slots[name].used = self.uses
        self.slots[name].users.add(user)

    def is_short_of(self, more_bytes: int) -> bool:
        return self.weight("device") + more_bytes > self.device_budget_bytes

    def free_to_leave(self, staying: Collection[str]) -> Slot | None:
        """The least recently used model on the device that nobody uses, other than those that are to stay."""
        return next((slot for slot in self.at("device") if not slot.users and slot.entry.name not in staying), None)

    def bring(self, slot: Slot) -> None:
        """Puts a model on the device, from host memory or from disk. Raises whatever hinders it."""
        began, origin = time.monotonic(), slot.place
        slot.place = "moving"
        try:
            slot.model = self._brought(slot)
        except BaseException:
            self._drop(slot)
            raise
        slot.bytes = slot.model.bytes
        slot.place = "device"
        self.loads[origin] += 1
        log.info("%s: from %s in %.1f s, %d MB", slot.entry.name, origin, time.monotonic() - began, slot.bytes >> 20)

    def send_away(self, slot: Slot, coming: Slot) -> None:
        """Moves a model off the device: to host memory if there is room, once others have left it for the disk."""
        staying = [other for other in self.at("host") if other is not coming]
        while staying and sum(other.bytes for other in staying) + slot.bytes > self.host_budget_bytes:
            self._drop(staying.pop(0))
        for_good = slot.bytes > self.host_budget_bytes
        replaced = coming.place != "device" and coming.entry.family == slot.entry.family
        if replaced and isinstance(slot.model, LatentDiffusion):
            self._behind = slot.model.leave(for_good=for_good)
            slot.place = "host"
        if for_good or slot.model is None:
            self._drop(slot)
        elif slot.place != "host":
            slot.model.to(torch.device("cpu"))
            slot.place = "host"
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.evictions[slot.place] += 1
        log.info("%s: to %s", slot.entry.name, slot.place)

    def _brought(self, slot: Slot) -> LoadedModel:
        """The model, on the device; where another of its family has just left, in the memory of that one."""
        behind, self._behind = self._behind, None
        if behind is None or slot.entry.family not in DIFFUSION:
            behind = None  # before anything else comes to the device
            model = slot.model or self.load(slot.entry, self.device, self.dtype)
            model.to(self.device)
            return model
        model = slot.model or self.load(slot.entry, torch.device("cpu"), self.dtype)
        if isinstance(model, LatentDiffusion):
            model.to(self.device, behind)
        return model

    def _drop(self, slot: Slot) -> None:
        slot.model = None
        slot.place = "disk"
