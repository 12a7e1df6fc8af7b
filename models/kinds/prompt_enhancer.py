"""Prompt enhancers continue the beginning of a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import PretrainedFolder

if TYPE_CHECKING:
    from models.language.prompt_enhancer import PromptEnhancer

PROMPT_ENHANCER: ModelKind[PromptEnhancer] = ModelKind(
    "prompt enhancer", "write prompts", named_by_callers=True, default_names=frozenset({"enhancer"})
)
FAMILY = ModelFamily(
    name="enhancer",
    kind=PROMPT_ENHANCER,
    loader="models.language.prompt_enhancer:load",
    layout=PretrainedFolder(),
    folder_classes=frozenset({"GPT2LMHeadModel"}),
)
