"""Whether the parts of a checkpoint, which may come from several files, fit each other."""

from __future__ import annotations

from collections.abc import Sequence

from diffusers import UNet2DConditionModel

from models.catalog.entry import ModelEntry
from models.diffusion.autoencoder import Autoencoder
from models.diffusion.text_encoder import TextEncoder
from models.files.weights_error import WeightsError


def check_parts_fit(
    entry: ModelEntry, unet: UNet2DConditionModel, autoencoder: Autoencoder, encoders: Sequence[TextEncoder]
) -> None:
    """Raises WeightsError."""
    expected, width = unet.config.cross_attention_dim, sum(encoder.width for encoder in encoders)
    if expected != width:
        raise WeightsError(
            f"{entry.name}: its UNet takes text of width {expected}, its text encoders have width {width}; "
            f"check whether its family is {entry.family}"
        )
    most = min(encoder.max_clip_skip for encoder in encoders)
    if entry.clip_skip > most:
        raise WeightsError(
            f"{entry.name}: its entry has clip_skip {entry.clip_skip}, which leaves no layer of its text encoder; set "
            f"it to at most {most}"
        )
    for encoder in encoders:
        if encoder.tokens > encoder.model.config.vocab_size:
            raise WeightsError(
                f"{entry.name}: its tokenizer has {encoder.tokens} tokens, but its text encoder knows "
                f"{encoder.model.config.vocab_size}; copy the tokenizer of the same model"
            )
    channels = autoencoder.channels
    if unet.config.in_channels not in (channels, 2 * channels + 1):
        raise WeightsError(
            f"{entry.name}: its UNet takes {unet.config.in_channels} channels, neither the {channels} of plain "
            f"latents nor the {2 * channels + 1} of inpainting; use a checkpoint for one of these"
        )
