"""Tiny decoders turn latents into pixels faster than the checkpoint's own decoder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import PretrainedFolder

if TYPE_CHECKING:
    from models.diffusion.tiny_decoder import TinyDecoder

TINY_DECODER: ModelKind[TinyDecoder] = ModelKind("tiny decoder", "decode latents", advice="leave decoder out")
FAMILY = ModelFamily(
    name="decoder",
    kind=TINY_DECODER,
    loader="models.diffusion.tiny_decoder:load",
    layout=PretrainedFolder(),
    folder_classes=frozenset({"AutoencoderTiny"}),
    required={"base": "a decoder reads the latents of one family of checkpoints; say which, such as `for: sd1`"},
)
