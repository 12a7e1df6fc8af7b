"""The registry: hands out models that are ready on the device, and keeps those in use from leaving it.

Loading, moving and evicting happen in one background thread, so that others keep stepping meanwhile.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable

import torch

from models.catalog.catalog import Catalog
from models.registry import loaders
from models.registry.handle import ModelHandle
from models.registry.loaders import LoadedModel
from models.registry.model_cache import Load, ModelCache, Slot


class Registry:
    """Keeps as many models on the device as its budget allows. The least recently used leave first, for host memory
    as far as the second budget goes.

    A model larger than the whole budget is still loaded, once nobody uses another.
    """

    def __init__(
        self,
        catalog: Catalog,
        device: torch.device,
        dtype: torch.dtype,
        device_budget_bytes: int,
        host_budget_bytes: int,
        load: Load = loaders.load,
    ) -> None:
        self.changed = threading.Condition()
        self._catalog = catalog
        self._residence = ModelCache(catalog, device, dtype, device_budget_bytes, host_budget_bytes, load)
        self._waiting: deque[ModelHandle] = deque()
        self._short = False
        """The first in line waits for others to let go of their models."""
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="models", daemon=True)
        self._thread.start()

    def acquire(self, names: Iterable[str]) -> ModelHandle:
        """A hold on these models (names or aliases), ready at once if all are resident. Raises UnknownModelError."""
        hold = ModelHandle(self, tuple(dict.fromkeys(self._catalog.find(name).name for name in names)))
        with self.changed:
            # While somebody waits for models to be let go of, newcomers line up behind, even for resident ones:
            # a steady stream of users would otherwise keep what they use from ever leaving.
            if not self._short and all(self._residence.slots[name].place == "device" for name in hold.names):
                self._grant(hold)
            else:
                self._waiting.append(hold)
                self.changed.notify_all()
        return hold

    def model(self, hold: ModelHandle, name: str) -> LoadedModel:
        slot = self._residence.slots[self._catalog.find(name).name]
        if hold not in slot.users or slot.model is None:
            raise KeyError(f"model {name!r} is not held; acquire it by name and wait until the hold is ready")
        return slot.model

    def release(self, hold: ModelHandle) -> None:
        with self.changed:
            for name in hold.names:
                self._residence.slots[name].users.discard(hold)
            hold._state = "released"
            self.changed.notify_all()

    @property
    def resident(self) -> tuple[str, ...]:
        """Names of the models on the device, the most recently used first."""
        with self.changed:
            return tuple(slot.entry.name for slot in reversed(self._residence.at("device")))

    @property
    def bytes(self) -> int:
        """What the models on the device take of it."""
        with self.changed:
            return self._residence.weight("device")

    @property
    def loads(self) -> dict[str, int]:
        """Models brought to the device so far, by where they came from: disk or host."""
        return dict(self._residence.loads)

    @property
    def evictions(self) -> dict[str, int]:
        """Models sent away so far for others to come, by where they went: host or disk."""
        return dict(self._residence.evictions)

    def close(self) -> None:
        """Ends the background thread; holds that wait never become ready."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._closed or self._waiting)
                if self._closed:
                    return
                hold = self._waiting.popleft()
            for name in hold.names:
                try:
                    self._bring(self._residence.slots[name], hold)
                except Exception as error:
                    hold.fail(f"model {name!r} could not be loaded: {error}", error)
            with self.changed:
                self._grant(hold)
                self.changed.notify_all()

    def _grant(self, hold: ModelHandle) -> None:
        if hold._state == "waiting":
            for name in hold.names:
                self._residence.use(name, hold)
            hold._state = "ready"

    def _bring(self, slot: Slot, hold: ModelHandle) -> None:
        if slot.place == "device":
            return
        while (leaving := self._next_to_leave(slot.bytes, hold)) is not None:
            self._residence.send_away(leaving, coming=slot)
        if not self._wanted(hold):
            return
        self._residence.bring(slot)
        while (leaving := self._claim(0, hold)) is not None:  # it weighs more than its file did
            self._residence.send_away(leaving, coming=slot)

    def _next_to_leave(self, more_bytes: int, hold: ModelHandle) -> Slot | None:
        """A model to send away so that `more_bytes` have room; waits for one if all are in use. None: go ahead."""
        with self.changed:
            try:
                while self._wanted(hold) and self._residence.is_short_of(more_bytes):
                    if (slot := self._claim(more_bytes, hold)) is not None:
                        return slot
                    if not any(slot.users for slot in self._residence.at("device")):
                        return None  # it is larger than the budget, and has the device to itself
                    self._short = True
                    self.changed.wait()
            finally:
                self._short = False
        return None

    def _claim(self, more_bytes: int, hold: ModelHandle) -> Slot | None:
        """The next model to leave if `more_bytes` have no room; marked, so that nobody is granted it any more."""
        with self.changed:
            slot = self._residence.free_to_leave(staying=hold.names)
            if slot is None or not self._residence.is_short_of(more_bytes):
                return None
            slot.place = "moving"
            return slot

    def _wanted(self, hold: ModelHandle) -> bool:
        return hold._state == "waiting" and not self._closed
