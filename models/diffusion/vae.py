"""A VAE of its own, which encodes and decodes instead of that of a checkpoint."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL

from models.catalog.entry import ModelEntry
from models.diffusion.autoencoder import Autoencoder
from models.files.vae_keys import CHANNELS
from models.files.weights_error import WeightsError
from models.loaded_model import TorchModel
from models.loading.vae import read_vae
from models.weights import CONFIGS

ANY_FAMILY = "sd1"
"""The VAEs of all families have the same layers."""
SCALE_FACTOR = 8


class Vae(TorchModel):
    """A loaded VAE. It serves every checkpoint that it is for, with the scale of that checkpoint's latents."""

    def __init__(self, entry: ModelEntry, net: AutoencoderKL) -> None:
        super().__init__(entry, net)
        self.autoencoder = Autoencoder(net)

    def to(self, device: torch.device) -> None:
        """Moves the weights; on CUDA in channels-last layout, which its tensor cores read without copying."""
        super().to(device)
        if device.type == "cuda":
            self.autoencoder.net.to(memory_format=torch.channels_last)


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Vae:
    """Raises WeightsError. One that is known to be for SDXL is loaded in single precision, if its config wants that:
    the original decoder overflows in half precision. With others `Autoencoder` finds out."""
    net = read_vae(entry.path, entry.config or CONFIGS / (entry.base or ANY_FAMILY), dtype)
    vae = Vae(entry, net.float() if entry.base == "sdxl" and net.config.force_upcast else net)
    if (vae.autoencoder.channels, vae.autoencoder.scale_factor) != (CHANNELS, SCALE_FACTOR):
        raise WeightsError(
            f"{entry.path.name} is a VAE for other latents than those of Stable Diffusion ({vae.autoencoder.channels} "
            f"channels, one value for {vae.autoencoder.scale_factor} pixels); use one of Stable Diffusion 1, 2 or XL"
        )
    vae.to(device)
    return vae
