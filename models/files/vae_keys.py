"""What the header of a file tells about the VAE, the autoencoder of pictures, alone or in a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from models.files.safetensors_header import SafetensorsHeader
from models.files.unet_keys import find_unet

PREFIXES = "first_stage_model.", "vae.", ""
PARTS = "encoder.", "decoder.", "quant_conv.", "post_quant_conv."
"""How the names of its weights begin; files of training also have those of a discriminator, and averaged ones."""
CHANNELS = 4
"""Of the latents of all supported families."""
SDXL_SCALE = 0.13025
"""`scaling_factor` of the VAE of SDXL in configs of diffusers; others have 0.18215."""
_ENCODER, _DECODER = "encoder.conv_in.weight", "decoder.conv_in.weight"


@dataclass(frozen=True, slots=True)
class VaeKeys:
    prefix: str
    """What comes before the name of each weight."""
    channels: int
    """Of its latents."""
    in_diffusers_layout: bool
    """Else in that of latent diffusion."""

    def holds(self, name: str) -> bool:
        """Whether this is the name of one of its weights."""
        return name.startswith(self.prefix) and name.removeprefix(self.prefix).startswith(PARTS)


def find_vae(header: SafetensorsHeader) -> VaeKeys | None:
    """None if the file has no autoencoder of pictures."""
    for prefix in PREFIXES:
        shape = header.shape(prefix + _DECODER)
        if len(shape) == 4 and len(header.shape(prefix + _ENCODER)) == 4:
            diffusers = any(name.startswith(f"{prefix}decoder.up_blocks.") for name in header.tensors)
            return VaeKeys(prefix, shape[1], diffusers)
    return None


def vae_fields(header: SafetensorsHeader) -> Mapping[str, Any] | None:
    """None for anything but a VAE alone, of four channels.

    Those of Stable Diffusion 1, 2 and XL have equal shapes, so that only the metadata can tell one of SDXL. One of SD 1
    also fits SD 2.
    """
    vae = find_vae(header)
    if vae is None or vae.channels != CHANNELS or find_unet(header) is not None:
        return None
    architecture = header.metadata.get("modelspec.architecture", "")
    return {"base": "sdxl"} if architecture.startswith("stable-diffusion-xl") else {}


def vae_folder_fields(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """The same of the config of a folder of diffusers, which has the scale of its latents."""
    return {"base": "sdxl"} if config.get("scaling_factor") == SDXL_SCALE else {}
