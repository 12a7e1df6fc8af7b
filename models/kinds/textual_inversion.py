"""Textual inversions (embeddings) replace a word of a prompt by learnt vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.files.adapter_keys import embedding_fields
from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import SingleFile

if TYPE_CHECKING:
    from models.adapters.textual_inversion import Embedding

TEXTUAL_INVERSION: ModelKind[Embedding] = ModelKind("embedding", "replace a word of a prompt")
FAMILY = ModelFamily(
    name="embedding",
    kind=TEXTUAL_INVERSION,
    loader="models.adapters.textual_inversion:load",
    layout=SingleFile(),
    recognise=embedding_fields,
)
