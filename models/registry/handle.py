"""A handle that pins models on the device until it is released."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeVar, cast

import torch

from models.catalog.catalog import Catalog
from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.kinds import FAMILIES, families_of
from models.kinds.kind import AnyModelRef, ModelKind, ModelRef
from models.loaded_model import LoadedModel
from models.registry.model_cache import Slot

M = TypeVar("M")


class ModelLoadError(Exception):
    """A model could not be loaded; the message says which and why."""

    def __init__(self, message: str, cause: Exception | None) -> None:
        super().__init__(message)
        self.code = _code(cause)
        """`bad_model` for files that the operator can correct; `internal` for all other errors."""


class WrongFamilyError(Exception):
    """A task needs what models of this family cannot do; the message says which can."""

    code = "bad_input"

    def __init__(self, model: LoadedModel, kind: ModelKind[Any]) -> None:
        super().__init__(
            f"model {model.name!r} is of family {model.family}, which cannot {kind.ability}; name one of family "
            f"{', '.join(sorted(families_of(kind)))}"
        )


class ModelPool(Protocol):
    """What a handle needs of the registry that granted it."""

    changed: threading.Condition
    """Notified when the state of a handle changes."""

    def release(self, handle: ModelHandle) -> None: ...


class ModelHandle:
    """A request for models and, once it is ready, the guarantee that none of them is evicted until it is released.

    A context manager that releases at its end. What it pins stays the same if the catalog changes meanwhile.
    """

    def __init__(self, pool: ModelPool, catalog: Catalog, slots: Mapping[str, Slot]) -> None:
        """`catalog` says what its references mean, now and later."""
        self.slots = slots
        """Its models by name. While it waits, the registry replaces those whose files have changed."""
        self.state: Literal["waiting", "ready", "failed", "released"] = "waiting"
        """Changed by the registry alone, under its lock."""
        self._pool = pool
        self._catalog = catalog
        self._error = ""
        self._cause: Exception | None = None

    @property
    def ready(self) -> bool:
        """Whether all models are on the device. Raises ModelLoadError if one of them could not be loaded."""
        if self.state == "failed":
            raise ModelLoadError(self._error, self._cause) from self._cause
        return self.state == "ready"

    @property
    def entries(self) -> tuple[ModelEntry, ...]:
        """What its models are loaded from."""
        return tuple(slot.entry for slot in self.slots.values())

    def wait(self, timeout_s: float) -> bool:
        """Waits until all models are ready, `timeout_s` at most; returns whether they are. Raises as `ready` does."""
        with self._pool.changed:
            self._pool.changed.wait_for(lambda: self.state != "waiting", timeout_s)
        return self.ready

    def get(self, ref: ModelRef[M]) -> M:
        """The model that a reference means. Raises KeyError if the handle does not pin it, WrongFamilyError."""
        model = self._loaded(ref)
        if FAMILIES[model.family].kind is not ref.kind:
            raise WrongFamilyError(model, ref.kind)
        return cast(M, model)

    def _loaded(self, ref: AnyModelRef) -> LoadedModel:
        name = self._catalog.find(ref).name
        slot = self.slots.get(name)
        if slot is None or slot.model is None or self not in slot.users:
            raise KeyError(f"model {name!r} is not pinned by this handle; acquire it and wait until it is ready")
        return slot.model

    def release(self) -> None:
        """Unpins the models; a handle that is not ready yet gives up its turn. A second call does nothing."""
        self._pool.release(self)

    def fail(self, message: str, cause: Exception) -> None:
        self._error, self._cause, self.state = message, cause, "failed"

    def __enter__(self) -> ModelHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def _code(cause: Exception | None) -> str:
    if isinstance(cause, torch.OutOfMemoryError):
        return "out_of_memory"
    return WeightsError.code if hasattr(cause, "code") else "internal"
