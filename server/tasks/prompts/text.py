"""Prepares a prompt without a task, for the default model."""

from __future__ import annotations

from models.catalog.catalog import UnknownModelError
from models.kinds import families_of
from models.kinds.textual_inversion import TEXTUAL_INVERSION
from server.prompts.grammar import language_of
from server.prompts.translator import Translation
from server.services import Services


async def prepare_text(services: Services, text: str) -> Translation:
    """The prompt in English, unless the default model reads its language. Names of embeddings stay."""
    catalog = services.catalog
    try:
        reads = catalog.find("").reads
    except UnknownModelError:
        reads = ("en",)
    if (language := language_of(text)) != "en" and language in reads:
        return Translation(text, language=language)
    embeddings = [entry for entry in catalog.entries if entry.family in families_of(TEXTUAL_INVERSION)]
    return await services.translator.translate(
        text, [name for entry in embeddings for name in (entry.name, *entry.aliases)]
    )
