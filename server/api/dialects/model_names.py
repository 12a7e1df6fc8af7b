"""Which models there are: by names that clients of other APIs have written into their code, and captioners."""

from __future__ import annotations

from models.catalog.catalog import BrokenModelError, Catalog, UnknownModelError
from pipelines.img2img import DEFAULT_CAPTIONER_REF


def is_missing(catalog: Catalog, model: str) -> bool:
    """Whether no model has this name or alias. A broken model is not missing: its error says what is wrong with it."""
    try:
        catalog.find(model)
    except BrokenModelError:
        return False
    except UnknownModelError:
        return True
    return False


def has_captioner(catalog: Catalog) -> bool:
    """Whether pictures can be described."""
    try:
        catalog.find(DEFAULT_CAPTIONER_REF)
    except UnknownModelError:
        return False
    return True
