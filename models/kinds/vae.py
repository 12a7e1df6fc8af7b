"""VAEs turn pictures into latents and back. Each checkpoint has one; a separate one can replace it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.files.vae_keys import vae_fields, vae_folder_fields
from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import FolderOrFile

if TYPE_CHECKING:
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
