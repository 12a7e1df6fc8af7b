"""The event loop of a role's process: libuv, with a garbage collector that rarely interrupts it."""

from __future__ import annotations

import gc
from collections.abc import Coroutine
from typing import Any

import uvloop

GC_THRESHOLD = 10_000
"""New objects that start a collection. The default, 700, is reached within one request."""


def run(role: Coroutine[Any, Any, None]) -> None:
    uvloop.run(role)


def freeze_startup_objects() -> None:
    """Excludes modules, request models and routes from garbage collection, because they live as long as the process.

    Scanning them takes a tenth of the process's time and delays requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)
