"""Makes English of the prompts of a task, where its model does not read their language."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence

from models.catalog.catalog import Catalog, UnknownModelError
from models.catalog.entry import ModelEntry
from models.kinds import families_of
from models.kinds.lora import LORA
from pipelines.pipeline import Part
from server.prompts.grammar import language_of
from server.prompts.translator import LANGUAGES, Translator
from server.tasks.prompts.task_prompt import TaskPrompt


async def fold_prompts(prompts: Sequence[TaskPrompt], translator: Translator, catalog: Catalog) -> None:
    """Makes ASCII of the full-width punctuation in prompts that will be translated, so that it acts as syntax."""
    for prompt in _for_english(prompts, catalog):
        prompt.text = await translator.fold(prompt.text)


async def translate_prompts(prompts: Sequence[TaskPrompt], translator: Translator, catalog: Catalog) -> list[str]:
    """Changes the prompts. Returns sentences about what stays in another language."""
    chosen = _for_english(prompts, catalog)
    translations = await asyncio.gather(
        *(translator.translate(prompt.text, _names(prompt.part, catalog), prompt.limit) for prompt in chosen)
    )
    notes: list[str] = []
    for prompt, translation in zip(chosen, translations, strict=True):
        prompt.text = translation.text
        if translation.untranslated and not translator.is_off:
            language = LANGUAGES[translation.language]
            notes.append(f"{prompt.path}: {translation.untranslated!r} is {language} and was not translated")
        if translation.left_out:
            notes.append(
                f"{prompt.path}: the last {translation.left_out} clauses were left out, because the English is longer "
                f"than {prompt.limit} characters"
            )
    return notes


def _for_english(prompts: Sequence[TaskPrompt], catalog: Catalog) -> list[TaskPrompt]:
    """Those whose model may not read their language."""
    return [prompt for prompt in prompts if not prompt.text.isascii() and not _is_read(prompt, catalog)]


def _is_read(prompt: TaskPrompt, catalog: Catalog) -> bool:
    """Whether a model of the task reads the language of the prompt, and is not one for English alone."""
    languages = {language for entry in _entries(prompt.part, catalog) for language in entry.reads} - {"en"}
    return bool(languages) and language_of(prompt.text) in {"en", *languages}


def _names(part: Part, catalog: Catalog) -> list[str]:
    """Words that mean something to the models of a task: names of embeddings, words that LoRAs were trained on."""
    names = list(getattr(part.params, "custom_embeddings", ()))
    names += [
        word for entry in _entries(part, catalog) if entry.family in families_of(LORA) for word in entry.trigger_words
    ]
    try:
        embeddings = catalog.embeddings(part.pipeline.needs(part.params))
    except UnknownModelError:
        return names
    return [*names, *(name for entry in embeddings for name in (entry.name, *entry.aliases))]


def _entries(part: Part, catalog: Catalog) -> Iterator[ModelEntry]:
    """The models of a task. Those that do not exist are left out; the task is refused for them later."""
    for ref in part.pipeline.needs(part.params):
        try:
            yield catalog.find(ref)
        except UnknownModelError:
            continue
