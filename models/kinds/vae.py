"""VAEs turn pictures into latents and back. Each checkpoint has one; a separate one can replace it. Tiny decoders turn
latents into pixels faster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.files.vae_keys import vae_fields, vae_folder_fields
from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import FolderOrFile, PretrainedFolder

if TYPE_CHECKING:
    from models.diffusion.tiny_decoder import TinyDecoder
    from models.diffusion.vae import Vae

VAE: ModelKind[Vae] = ModelKind("VAE", "turn latents into pixels", advice="leave vae out")
FAMILY = ModelFamily(
    name="vae",
    kind=VAE,
    loader="models.diffusion.vae:load",
    layout=FolderOrFile(),
    recognise=vae_fields,
    recognise_config=vae_folder_fields,
    folder_classes=frozenset({"AutoencoderKL"}),
)

TINY_DECODER: ModelKind[TinyDecoder] = ModelKind("tiny decoder", "decode latents", advice="leave decoder out")
TINY_FAMILY = ModelFamily(
    name="decoder",
    kind=TINY_DECODER,
    loader="models.diffusion.tiny_decoder:load",
    layout=PretrainedFolder(),
    folder_classes=frozenset({"AutoencoderTiny"}),
    required={"base": "a decoder reads the latents of one family of checkpoints; say which, such as `for: sd1`"},
)
