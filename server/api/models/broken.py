"""Why models cannot be used, as the catalog and the workers know."""

from __future__ import annotations

from collections.abc import Iterable

from models.catalog.catalog import Catalog
from server.queue import WorkerView


def broken_models(catalog: Catalog, workers: Iterable[WorkerView]) -> dict[str, str]:
    """Why models cannot be used, by name: files and entries that are no models, and what a worker could not load."""
    unusable = {problem.names[0]: problem.message for problem in catalog.problems if problem.names}
    return unusable | {name: reason for worker in workers for name, reason in worker.broken.items()}
