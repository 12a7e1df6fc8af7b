"""Counts what an object keeps in memory."""

from __future__ import annotations

import gc
from types import FunctionType, ModuleType


def reachable_objects(root: object) -> int:
    """The number of objects that are reachable from `root`, without code: modules, classes and functions."""
    seen, waiting = {id(root)}, [root]
    while waiting:
        for found in gc.get_referents(waiting.pop()):
            if id(found) not in seen and not isinstance(found, ModuleType | type | FunctionType):
                seen.add(id(found))
                waiting.append(found)
    return len(seen)
