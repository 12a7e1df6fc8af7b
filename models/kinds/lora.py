"""LoRAs change the weights of a checkpoint a little."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.files.lora_keys import lora_fields
from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import SingleFile

if TYPE_CHECKING:
    from models.adapters.lora import Lora

LORA: ModelKind[Lora] = ModelKind("LoRA", "be merged into a checkpoint")
FAMILY = ModelFamily(
    name="lora",
    kind=LORA,
    loader="models.adapters.lora:load",
    layout=SingleFile(),
    recognise=lora_fields,
)
