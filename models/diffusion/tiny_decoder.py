"""Tiny decoders: latents to pixels with an eighteenth of the arithmetic, and slightly less detail.

An AutoencoderTiny of diffusers, such as TAESD (Boer Bohan, "Tiny AutoEncoder for Stable Diffusion", 2023), which was
distilled from the autoencoder of one family of checkpoints, and decodes the latents of all of them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderTiny
from torch import Tensor

from models.catalog.entry import ModelEntry
from models.diffusion.autoencoder import Autoencoder
from models.files.weights_error import WeightsError
from models.loaded_model import TorchModel
from models.loading.folder_files import read_json
from models.loading.nets import read_diffusers_net

CLASS = "AutoencoderTiny"
CHANNELS = 4
"""Channels of the latents of all supported families."""


class TinyDecoder(TorchModel):
    """A loaded tiny decoder. It decodes the latents of every checkpoint of its family."""

    def __init__(self, entry: ModelEntry, net: AutoencoderTiny) -> None:
        super().__init__(entry, net)
        self._autoencoder = Autoencoder(net)

    def to(self, device: torch.device) -> None:
        """Moves the weights; on CUDA in channels-last layout, which its tensor cores read without copying."""
        super().to(device)
        if device.type == "cuda":
            self._autoencoder.net.to(memory_format=torch.channels_last)

    def decode(self, latents: Tensor, *, circular: bool = False) -> list[np.ndarray]:
        """uint8 RGB pixels [height, width, 3], one per row of scaled latents."""
        return self._autoencoder.decode(latents, circular=circular)


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> TinyDecoder:
    """Loads a diffusers folder. Raises WeightsError."""
    _check(entry.path)
    decoder = TinyDecoder(entry, read_diffusers_net(AutoencoderTiny, entry.path, dtype))
    decoder.to(device)
    return decoder


def _check(folder: Path) -> None:
    config = read_json(folder / "config.json")
    kind, channels = config.get("_class_name"), config.get("latent_channels", CHANNELS)
    if (kind, channels) != (CLASS, CHANNELS):
        raise WeightsError(
            f"{folder} holds a {kind} of {channels} channels, but an {CLASS} of {CHANNELS} is needed; use TAESD for "
            "sd1 and sd2, TAESDXL for sdxl"
        )
