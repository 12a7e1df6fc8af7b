"""Stable Diffusion 1.x and 2.x: one CLIP text encoder, with the final layer norm applied to its states.

Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022.
"""

from __future__ import annotations

import torch

from models.catalog.entry import ModelEntry
from models.conditioning import Conditioning
from models.diffusion.autoencoder import Autoencoder
from models.diffusion.latent_diffusion import LatentDiffusion
from models.diffusion.text_encoder import TextEncoder
from models.weights import open_weights


class SD1(LatentDiffusion):
    @torch.inference_mode()
    def encode_prompt(
        self, text: str, negative: str | None, *, clip_skip: int, width: int, height: int
    ) -> tuple[Conditioning, Conditioning | None]:
        """See `Checkpoint`. `clip_skip` applies to prompt and negative alike; the size has no effect."""
        skip = self._skipped_layers(clip_skip)
        encodings = [self._encode_text(prompt, skip) for prompt in (text, negative) if prompt is not None]
        chunks = max(len(encoding.states) for pair in encodings for encoding in pair)
        first, *rest = [Conditioning(self._embeds(pair, chunks, skip)) for pair in encodings]
        return self._with_patches(first, rest[0] if rest else None)


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> SD1:
    """Raises WeightsError, or an error of diffusers for weights that do not fit."""
    weights = open_weights(entry)
    encoder = TextEncoder(weights.tokenizer(0), weights.text_encoder(dtype, 0), normalised=True)
    checkpoint = SD1(entry, weights, Autoencoder(weights.vae(dtype)), [encoder], dtype)
    checkpoint.to(device)
    return checkpoint
