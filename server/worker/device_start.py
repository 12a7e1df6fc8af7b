"""What a device process does before it is ready: it loads the models that most tasks need, and measures their steps.

A model that cannot be loaded does not end the process: its own tasks fail, and the others run.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from models import catalog
from models.catalog.catalog import Catalog, UnknownModelError
from models.catalog.entry import CatalogError
from models.device_faults import raise_if_lost
from models.diffusion.checkpoint import Checkpoint
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from models.registry.handle import ModelHandle, ModelLoadError
from models.registry.registry import Registry
from server.settings import Settings

log = logging.getLogger(__name__)
REPORT_S = 1.0
DEFAULT = ModelRef(CHECKPOINT, "")


def read_catalog(folders: Sequence[Path], report: Callable[[str], None]) -> Catalog:
    """Waits for folders that are not there: a network disk may come back."""
    while True:
        try:
            return catalog.read(*folders)
        except CatalogError as error:
            report(f"waits for its models: {error}")
        time.sleep(REPORT_S)


class Measure(Protocol):
    """Times the steps of a checkpoint; calls `on_progress` between them."""

    def __call__(self, checkpoint: Checkpoint, *, on_progress: Callable[[], None]) -> None: ...


def load_first_models(registry: Registry, settings: Settings, measure: Measure, report: Callable[[str], None]) -> None:
    """Loads the default model and measures it, and loads the models of the audit. Logs why it cannot, if so.

    report: gets what happens now, again and again, as a sign of life.

    Raises DeviceLostError if the device itself has failed.
    """

    def measure_default(handle: ModelHandle) -> None:
        measure(handle.get(DEFAULT), on_progress=lambda: report("measures the default model"))

    for name in settings.audit:
        _load(registry, name, lambda handle: None, report, settings.load_timeout)
    _load(registry, DEFAULT.name, measure_default, report, settings.load_timeout)


def _load(
    registry: Registry,
    name: str,
    then: Callable[[ModelHandle], None],
    report: Callable[[str], None],
    timeout_s: float,
) -> None:
    activity = f"loads {name or 'the default model'}"
    try:
        with registry.acquire([name]) as handle:
            report(activity)
            while not handle.wait(REPORT_S):
                report(activity)
                end_if_load_hangs(registry, timeout_s)
            then(handle)
    except (UnknownModelError, ModelLoadError) as error:
        raise_if_lost(error)
        log.error("%s; tasks of other models run", error)
    except Exception as error:
        raise_if_lost(error)
        log.exception("the device process %s, but could not measure it", activity)


def end_if_load_hangs(registry: Registry, timeout_s: float) -> None:
    """Ends this process if a model has been loading for too long, for no other model can be loaded meanwhile; or if
    the thread that loads models has ended."""
    if registry.failure is not None:
        os._exit(1)
    if registry.loading is not None and registry.loading[1] > timeout_s:
        log.error(
            "model %r has not been loaded in %g s; this process ends. Check its file and its disk, or raise "
            "HUA_LOAD_TIMEOUT",
            registry.loading[0],
            timeout_s,
        )
        os._exit(1)
