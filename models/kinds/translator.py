"""Translators make English of the Chinese words of prompts. The api process runs them, not the device."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import TranslatorFolder

if TYPE_CHECKING:
    from models.language.translator import Translator

UNCONVERTED = "MarianMTModel"
"""The class that the config of transformers names."""


def unconverted_message(folder: Path) -> str:
    """Why a folder of transformers cannot be used, and what to do."""
    return (
        f"{folder.name} is a translator as transformers saves it; convert it once: hua models convert-translator "
        f"{shlex.quote(folder.name)} {shlex.quote(f'{folder.name}-ct2')}"
    )


TRANSLATOR: ModelKind[Translator] = ModelKind("translator", "translate prompts")
FAMILY = ModelFamily(
    name="translator",
    kind=TRANSLATOR,
    loader="models.language.translator:load",
    layout=TranslatorFolder(),
)
