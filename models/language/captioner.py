"""Captioners describe an image in words: BLIP.

Li et al., "BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language Understanding and Generation",
2022.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from transformers import BlipForConditionalGeneration, BlipImageProcessor

from models.catalog.entry import ModelEntry
from models.finite import require_finite
from models.language.text_model import TextModel
from models.loading.nets import refused_by_name

MAX_TOKENS = 40
"""Of a caption. BLIP was trained on captions of at most twenty words."""


class Captioner(TextModel):
    """A loaded BLIP model."""

    def __init__(self, entry: ModelEntry, dtype: torch.dtype) -> None:
        super().__init__(entry, BlipForConditionalGeneration, dtype)
        with refused_by_name(f"the image processor in {entry.path} cannot be read"):
            self._image_processor = BlipImageProcessor.from_pretrained(entry.path, local_files_only=True)

    def tokens(self, pixels: np.ndarray) -> Iterator[int]:
        """The caption of RGB pixels [height, width, 3] by greedy decoding, token by token. Raises NotFiniteError."""
        planes = torch.from_numpy(pixels).permute(2, 0, 1)
        inputs = self._image_processor(images=planes, return_tensors="pt").pixel_values
        states = self._model.vision_model(inputs.to(self.device, self._model.dtype)).last_hidden_state
        config = self._model.config.text_config
        token, past = config.bos_token_id, None
        for _ in range(MAX_TOKENS):
            output = self._model.text_decoder(
                torch.tensor([[token]], device=self.device),
                encoder_hidden_states=states,
                past_key_values=past,
                use_cache=True,
            )
            logits, past = output.logits[0, -1].cpu(), output.past_key_values
            require_finite(f"captioner {self.name!r}", logits)
            token = int(logits.argmax())
            if token == config.sep_token_id:
                return
            yield token


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Captioner:
    """Raises WeightsError for a folder that is not a BLIP model."""
    captioner = Captioner(entry, dtype)
    captioner.to(device)
    return captioner
