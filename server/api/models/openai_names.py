"""The names of OpenAI's image models, which programs have written into their code."""

from __future__ import annotations

import re

from models.catalog.catalog import BrokenModelError, Catalog, UnknownModelError
from models.catalog.entry import ModelEntry

_OPENAI_MODEL = re.compile(r"(openai/)?(gpt-image|chatgpt-image|dall-e)-[a-z0-9.-]+", re.IGNORECASE)


def find_model(catalog: Catalog, name: str) -> ModelEntry:
    """The model of this name or alias; the default model for a name of OpenAI's that no model has.

    The operator decides which model such a name means by an alias in `models.yaml`. Raises UnknownModelError.
    """
    try:
        return catalog.find(name)
    except BrokenModelError:
        raise
    except UnknownModelError:
        if _OPENAI_MODEL.fullmatch(name):
            return catalog.default
        raise
