"""Stable Diffusion 1.x and 2.x: one CLIP text encoder, with the final layer norm applied to its states.

Rombach et al., "High-Resolution Image Synthesis with Latent Diffusion Models", 2022.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from models.catalog.entry import ModelEntry
from models.conditioning import Conditioning
from models.diffusion.autoencoder import Autoencoder
from models.diffusion.latent_diffusion import LatentDiffusion
from models.diffusion.text_encoder import TextEncoder
from models.weights import open_weights

LIKE_NOISE = 0.8
"""Correlation of input and output, at the noisiest step, from which the output counts as that noise. For v it would be
about 0.07, the share of noise in v at this step."""
LAST_TIMESTEP, NOISE_SIZE = 999, 16


class SD1(LatentDiffusion):
    @torch.inference_mode()
    def measure_prediction(self) -> None:
        """Finds out what the UNet predicts, where neither the file nor its entry tells.

        The input of the noisiest step is almost pure noise. A model of epsilon returns it, a model of v nearly the
        opposite of a clean image. A model for inpainting also gets a mask of all pixels, and an empty picture.
        """
        noise = torch.randn(1, self.channels, NOISE_SIZE, NOISE_SIZE, generator=torch.Generator().manual_seed(0))
        inputs = noise
        if self.in_channels > self.channels:
            inputs = torch.cat([noise, torch.ones_like(noise[:, :1]), torch.zeros_like(noise)], dim=1)
        latents = inputs.to(self.device, self.dtype)
        empty, _ = self.encode_prompt("", None, clip_skip=0, width=0, height=0)
        output = self.predict(latents, torch.tensor([LAST_TIMESTEP], device=self.device), empty)
        both = torch.stack([noise.flatten(), output.float().cpu().flatten()])
        prediction = "epsilon" if float(torch.corrcoef(both)[0, 1]) > LIKE_NOISE else "v_prediction"
        self.scheduler_config = {**self.scheduler_config, "prediction_type": prediction}

    @torch.inference_mode()
    def encode_prompts(
        self, positives: Sequence[str], negatives: Sequence[str], *, clip_skip: int, width: int, height: int
    ) -> tuple[list[Conditioning], list[Conditioning]]:
        """See `Checkpoint`. `clip_skip` applies to prompts and negatives alike; the size has no effect."""
        skip = self._skipped_layers(clip_skip)
        encodings = [self._encode_text(prompt, skip) for prompt in (*positives, *negatives)]
        chunks = max(len(encoding.states) for pair in encodings for encoding in pair)
        encoded = [Conditioning(self._embeds(pair, chunks, skip)) for pair in encodings]
        return self._with_patches(encoded[: len(positives)], encoded[len(positives) :])


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> SD1:
    """Raises WeightsError, or an error of diffusers for weights that do not fit."""
    weights = open_weights(entry)
    encoder = TextEncoder(weights.tokenizer(0), weights.text_encoder(dtype, 0), normalised=True)
    checkpoint = SD1(entry, weights, Autoencoder(weights.vae(dtype), weights.vae_config), [encoder], dtype)
    checkpoint.to(device)
    if entry.family == "sd2" and entry.prediction is None and entry.path.is_file():
        checkpoint.measure_prediction()
    return checkpoint
