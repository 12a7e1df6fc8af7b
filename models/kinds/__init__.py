"""The kinds of models. Each module here declares one kind, or families of one; nothing else lists them.

To add a kind, add a module that declares a `ModelKind` and a `ModelFamily` and names the loader. Keep it free of torch.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelFamily, ModelKind


class DuplicateFamilyError(Exception):
    """Two declarations have the same family name."""


def families_in(modules: Iterable[ModuleType]) -> dict[str, ModelFamily]:
    """The families that modules declare, by name. Raises DuplicateFamilyError."""
    families: dict[str, ModelFamily] = {}
    for module in modules:
        for value in vars(module).values():
            if isinstance(value, ModelFamily) and families.setdefault(value.name, value) is not value:
                raise DuplicateFamilyError(f"{module.__name__} declares family {value.name!r} a second time; rename it")
    return families


_names = [module.name for module in pkgutil.iter_modules(__path__, f"{__name__}.")]
FAMILIES: Mapping[str, ModelFamily] = families_in(map(importlib.import_module, _names))
"""All families by name."""


def families_of(kind: ModelKind[Any]) -> frozenset[str]:
    """The names of the families of this kind."""
    return frozenset(family.name for family in FAMILIES.values() if family.kind is kind)


CHECKPOINT_FAMILIES = families_of(CHECKPOINT)
"""The families that generate images from a prompt."""
