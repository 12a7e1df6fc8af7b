"""What a model can do (`ModelKind`), how its files are found and loaded (`ModelFamily`), and a reference to one
(`ModelRef`).

Torch-free: the API imports every declaration. A family names its loader, which is imported when a model is loaded.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from models.files.safetensors_header import SafetensorsHeader
from models.kinds.layout import Layout

M = TypeVar("M")


@dataclass(frozen=True, slots=True)
class ModelKind(Generic[M]):
    """What models can do for a task. `models.get` returns models of this kind as the Python type `M`."""

    title: str
    """As error messages call it: `ControlNet`."""
    ability: str
    """Completes "a model of family X cannot …"."""
    named_by_callers: bool = False
    """Whether callers name a model of this kind in `model`. It is then found by its name among all models, and the
    family is checked later, with a better message. Else it is found among the models of its kind."""
    default_names: frozenset[str] = frozenset()
    """Names in the API that mean the default model of this kind, unless a model has the name."""
    advice: str = ""
    """What a caller can do when no model fits, besides asking the operator for one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFamily:
    """One value of `family` in models.yaml."""

    name: str
    kind: ModelKind[Any]
    loader: str
    """`module:function`. The function takes an entry, a device and a dtype, and returns a loaded model."""
    layout: Layout
    """Which files a model consists of."""
    recognise: Callable[[SafetensorsHeader], Mapping[str, Any] | None] = lambda header: None
    """The fields of an entry that the header of a single file tells; None if it is no file of this family."""
    recognise_config: Callable[[Mapping[str, Any]], Mapping[str, Any]] = lambda config: {}
    """The fields of an entry that the config of a folder tells."""
    guess: Callable[[str], Mapping[str, Any]] = lambda name: {}
    """The fields that only the name of a file or folder suggests, for what no header tells."""
    folder_classes: frozenset[str] = frozenset()
    """Classes of diffusers or transformers that the config of a folder of this family names."""
    required: Mapping[str, str] = field(default_factory=dict)
    """Fields that an entry must have, each with the error message if it is missing."""
    unused_text_layers: int = 0
    """Of checkpoints: layers at the end of each text encoder that are always left out."""

    def import_loader(self) -> Callable[..., Any]:
        """Imports the loader, and torch with it."""
        module, _, function = self.loader.partition(":")
        loader: Callable[..., Any] = getattr(importlib.import_module(module), function)
        return loader


@dataclass(frozen=True, slots=True)
class ModelRef(Generic[M]):
    """A model that a task needs. `Catalog.find` says which model it is."""

    kind: ModelKind[M]
    name: str = ""
    """A name or an alias; for ControlNets and annotators also a hint, such as `canny`. Empty: the default checkpoint,
    or the first model that fits `base`."""
    base: str | None = None
    """The checkpoint that the model must fit, by name; empty: the default checkpoint. None: any."""
    inpainting: bool = False
    """Of a checkpoint: use the model that its entry names for masked areas, if it names one."""


AnyModelRef = ModelRef[Any]
