"""Computes the hashes of model files in the background of the api, once a file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from concurrent.futures import ThreadPoolExecutor

from server.services import Services

PAUSE_S = 30.0
"""How soon a new file is hashed, at the latest."""


async def keep_hashes(services: Services) -> None:
    """Runs until it is canceled. Without HUA_MODEL_HASHES it takes over only what SHA256SUMS lists."""
    stop = threading.Event()
    thread = ThreadPoolExecutor(1, "hashes", initializer=_yield_to_others)
    try:
        while True:
            with contextlib.suppress(OSError):  # a folder that cannot be read now is tried again
                await asyncio.get_running_loop().run_in_executor(thread, _learn, services, stop)
            await asyncio.sleep(PAUSE_S)
    finally:
        stop.set()
        thread.shutdown(wait=False)


def _learn(services: Services, stop: threading.Event) -> None:
    catalog, folders = services.catalog, services.settings.models_paths
    if services.settings.model_hashes:
        files = {entry.weights for entry in catalog if entry.weights.is_file()}
        catalog.hashes.learn(files, folders, stop.is_set)
    else:
        catalog.hashes.adopt(folders)


def _yield_to_others() -> None:
    """Gives the thread the lowest priority, so that neither requests nor devices wait for it."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
