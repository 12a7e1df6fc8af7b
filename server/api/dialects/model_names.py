"""Which models there are: by names that clients of other APIs have written into their code, and captioners."""

from __future__ import annotations

from models.catalog.catalog import BrokenModelError, Catalog, UnknownModelError
from models.kinds.kind import AnyModelRef, ModelRef
from models.kinds.prompt_enhancer import PROMPT_ENHANCER
from pipelines.enhance import DEFAULT_ENHANCER
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
    return _has(catalog, DEFAULT_CAPTIONER_REF)


def has_enhancer(catalog: Catalog) -> bool:
    """Whether prompts can be made longer."""
    return _has(catalog, ModelRef(PROMPT_ENHANCER, DEFAULT_ENHANCER))


def _has(catalog: Catalog, ref: AnyModelRef) -> bool:
    try:
        catalog.find(ref)
    except UnknownModelError:
        return False
    return True
