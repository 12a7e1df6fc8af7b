"""Stable Diffusion XL: two text encoders side by side, a pooled embedding, and the image size as conditioning.

Podell et al., "SDXL: Improving Latent Diffusion Models for High-Resolution Image Synthesis", 2023.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from models.catalog.entry import ModelEntry
from models.conditioning import Conditioning
from models.diffusion.autoencoder import Autoencoder
from models.diffusion.latent_diffusion import LatentDiffusion
from models.diffusion.text_encoder import TextEncoder
from models.kinds.stable_diffusion import SDXL as FAMILY
from models.weights import open_weights


class SDXL(LatentDiffusion):
    @torch.inference_mode()
    def encode_prompts(
        self, positives: Sequence[str], negatives: Sequence[str], *, clip_skip: int, width: int, height: int
    ) -> tuple[list[Conditioning], list[Conditioning]]:
        """See `Checkpoint`. The last layer is always left out. `clip_skip` leaves out more for prompts alone, as the
        reference pipeline does."""
        skip = self._skipped_layers(clip_skip)
        prompts = [*((text, skip) for text in positives), *((text, 0) for text in negatives)]
        encodings = [(self._encode_text(*prompt), prompt[1]) for prompt in prompts]
        chunks = max(len(encoding.states) for pair, _ in encodings for encoding in pair)
        time_ids = self._time_ids(width, height)
        conditionings = []
        for pair, skipped in encodings:
            extras = {"text_embeds": pair[-1].pooled, "time_ids": time_ids}
            conditionings.append(Conditioning(self._embeds(pair, chunks, skipped), extras))
        return self._with_patches(conditionings[: len(positives)], conditionings[len(positives) :])

    def _time_ids(self, width: int, height: int) -> Tensor:
        """[1, 6]: original size, top left corner of the crop, target size; height before width."""
        sizes = [height, width, 0, 0, height, width]
        return torch.tensor([sizes], device=self.device, dtype=self.dtype)


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> SDXL:
    """Raises WeightsError, or an error of diffusers for weights that do not fit."""
    weights = open_weights(entry)
    left_out = FAMILY.unused_text_layers
    encoders = [
        TextEncoder(weights.tokenizer(index), weights.text_encoder(dtype, index), normalised=False, left_out=left_out)
        for index in (0, 1)
    ]
    vae = weights.vae(dtype)
    if dtype == torch.float16 and vae.config.force_upcast:
        vae = vae.float()  # the original decoder overflows in half precision
    checkpoint = SDXL(entry, weights, Autoencoder(vae, weights.vae_config), encoders, dtype)
    checkpoint.to(device)
    return checkpoint
