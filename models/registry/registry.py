"""The registry: hands out models that are ready on the device, and keeps those in use from leaving it.

Loading, moving and evicting run in one background thread, so that tasks keep stepping meanwhile.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable
from itertools import islice

import torch

from models.catalog.catalog import Catalog, UnknownModelError
from models.catalog.entry import ModelEntry
from models.files.weights_error import one_line
from models.kinds.kind import AnyModelRef
from models.registry import loaders
from models.registry.handle import ModelHandle
from models.registry.model_cache import Load, ModelCache, Slot

log = logging.getLogger(__name__)
MAX_BROKEN = 100
"""Broken models that are reported; a folder of other files may hold thousands."""


class Registry:
    """Keeps as many models on the device as its budget allows. The least recently used leave first, to host memory as
    far as the second budget allows.

    A model larger than the whole budget is still loaded, once no other model is in use.
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
        self._cache = ModelCache(catalog, device, dtype, device_budget_bytes, host_budget_bytes, load)
        self._waiting: deque[ModelHandle] = deque()
        self._blocked = False
        """Whether the first handle in line waits until others release models."""
        self._closed = False
        self._broken: dict[str, str] = {}
        self._loading: tuple[str, float] | None = None
        self.failure: BaseException | None = None
        """Why the background thread has ended; from then on no model is loaded."""
        self._thread = threading.Thread(target=self._run, name="models", daemon=True)
        self._thread.start()

    def acquire(self, models: Iterable[AnyModelRef | str]) -> ModelHandle:
        """A handle on these models, ready at once if all are on the device. Raises UnknownModelError."""
        with self.changed:
            names = [self._catalog.find(model).name for model in models]
            handle = ModelHandle(self, self._catalog, {name: self._cache.slots[name] for name in names})
            # While a handle waits for models to be released, new ones line up behind it, even if their models are on
            # the device: a steady stream of users would otherwise keep these models from ever leaving.
            if not self._blocked and all(slot.location == "device" for slot in handle.slots.values()):
                self._grant(handle)
            else:
                self._waiting.append(handle)
                self.changed.notify_all()
        return handle

    def follow(self, catalog: Catalog) -> None:
        """Serves a newer catalog from now on. Handles that are ready keep what they pin, also if its file has changed
        or is gone; it is dropped after its last user."""
        with self.changed:
            for name in self._cache.follow(catalog):
                self._broken.pop(name, None)
            self._catalog = catalog
            self.changed.notify_all()

    def release(self, handle: ModelHandle) -> None:
        with self.changed:
            for slot in handle.slots.values():
                slot.users.discard(handle)
            handle.state = "released"
            self.changed.notify_all()

    @property
    def resident(self) -> tuple[str, ...]:
        """Names of the models on the device, the most recently used first."""
        with self.changed:
            return tuple(slot.entry.name for slot in reversed(self._cache.at("device")) if not slot.leaving)

    @property
    def bytes(self) -> int:
        """Device memory that the models take."""
        with self.changed:
            return self._cache.bytes_at("device")

    @property
    def loads(self) -> dict[str, int]:
        """How many models were brought to the device, by where they came from: disk or host."""
        return dict(self._cache.loads)

    @property
    def evictions(self) -> dict[str, int]:
        """How many models were evicted from the device, by where they went: host or disk."""
        return dict(self._cache.evictions)

    @property
    def broken(self) -> dict[str, str]:
        """Models that could not be loaded when they were last needed, or cannot be used at all, and why."""
        unusable = {problem.names[0]: problem.message for problem in self._catalog.problems if problem.names}
        return dict(islice((self._broken | unusable).items(), MAX_BROKEN))

    @property
    def loading(self) -> tuple[str, float] | None:
        """The model that is being loaded now, and for how many seconds."""
        loading = self._loading
        return None if loading is None else (loading[0], time.monotonic() - loading[1])

    def close(self) -> None:
        """Ends the background thread; handles that wait never become ready."""
        with self.changed:
            self._closed = True
            self.changed.notify_all()
        self._thread.join()

    @property
    def moves(self) -> int | None:
        """How often models were brought to the device or evicted so far; None while one is brought."""
        return None if self._loading else self._cache.loads.total() + self._cache.evictions.total()

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:
            log.exception("the thread that loads models has ended")
            self.failure = error

    def _serve(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self._closed or self._waiting or self._cache.unneeded)
                if self._closed:
                    return
                self._cache.drop_unneeded()
                if not self._waiting:
                    continue
                handle = self._waiting.popleft()
                self._take_newest(handle)
            for name, slot in handle.slots.items():
                try:
                    self._bring(slot, handle)
                except Exception as error:
                    reason = _reason(error, slot.entry)
                    handle.fail(f"model {name!r} could not be loaded: {reason}", error)
            with self.changed:
                self._grant(handle)
                self.changed.notify_all()

    def _take_newest(self, handle: ModelHandle) -> None:
        """The catalog may have changed while the handle was in line."""
        slots = self._cache.slots
        for name in handle.slots.keys() - slots.keys():
            message = f"model {name!r} was removed from the models folder; name another, or put it back"
            handle.fail(message, UnknownModelError(message))
        handle.slots = {name: slots.get(name, slot) for name, slot in handle.slots.items()}

    def _grant(self, handle: ModelHandle) -> None:
        if handle.state == "waiting":
            for slot in handle.slots.values():
                self._cache.use(slot, handle)
            handle.state = "ready"

    def _bring(self, slot: Slot, handle: ModelHandle) -> None:
        if slot.location == "device" or not self._is_waiting(handle):
            return
        while (leaving := self._wait_for_room(slot.bytes, handle)) is not None:
            self._cache.evict(leaving, coming=slot)
        if not self._is_waiting(handle):
            return
        self._loading = slot.entry.name, time.monotonic()
        try:
            self._cache.bring(slot)
            self._note_broken(slot, None)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            self._note_broken(slot, error)
            raise
        finally:
            self._loading = None
        while (leaving := self._claim(0, handle)) is not None:  # the model is larger than its file was
            self._cache.evict(leaving, coming=slot)

    def _note_broken(self, slot: Slot, error: Exception | None) -> None:
        """What happened to an earlier file says nothing about the present one."""
        with self.changed:
            if slot.leaving:
                return
            if error is None:
                self._broken.pop(slot.entry.name, None)
            else:
                self._broken[slot.entry.name] = _reason(error, slot.entry)

    def _wait_for_room(self, more_bytes: int, handle: ModelHandle) -> Slot | None:
        """A model to evict so that `more_bytes` fit; waits for one if all are in use. None: nothing to evict."""
        with self.changed:
            try:
                while self._is_waiting(handle) and self._cache.is_short_of(more_bytes):
                    if (slot := self._claim(more_bytes, handle)) is not None:
                        return slot
                    if not any(slot.users for slot in self._cache.at("device")):
                        return None  # the model is larger than the budget, and has the device to itself
                    self._blocked = True
                    self.changed.wait()
            finally:
                self._blocked = False
        return None

    def _claim(self, more_bytes: int, handle: ModelHandle) -> Slot | None:
        """The next model to evict if `more_bytes` do not fit; marked as moving, so that no handle is granted it."""
        with self.changed:
            slot = self._cache.next_to_evict(staying=handle.slots.values())
            if slot is None or not self._cache.is_short_of(more_bytes):
                return None
            slot.location = "moving"
            return slot

    def _is_waiting(self, handle: ModelHandle) -> bool:
        return handle.state == "waiting" and not self._closed


def _reason(error: Exception, entry: ModelEntry) -> str:
    """Why a model cannot be loaded, with the name of its file."""
    if isinstance(error, torch.OutOfMemoryError):
        return "the device has too little memory left for it; lower HUA_DEVICE_MEMORY, so that others leave earlier"
    if hasattr(error, "code"):
        return str(error)
    return f"{entry.path.name}: {one_line(error) or type(error).__name__}; the worker's log has the details"
