"""Names of models that clients of other APIs have written into their code."""

from __future__ import annotations

from models.catalog.catalog import BrokenModelError, Catalog, UnknownModelError


def is_missing(catalog: Catalog, model: str) -> bool:
    """Whether no model has this name or alias. A broken model is not missing: its error says what is wrong with it."""
    try:
        catalog.find(model)
    except BrokenModelError:
        return False
    except UnknownModelError:
        return True
    return False
