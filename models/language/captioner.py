"""Saying what is in a picture: BLIP.

Li et al., "BLIP: Bootstrapping Language-Image Pre-training for Unified Vision-Language Understanding and Generation",
2022.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from transformers import BlipForConditionalGeneration, BlipImageProcessor

from models.catalog.entry import ModelEntry
from models.language.text_model import TextModel

LONGEST = 40
"""Tokens of a caption. BLIP was trained on captions of twenty words at most."""


class Captioner(TextModel):
    def __init__(self, entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> None:
        super().__init__(entry, BlipForConditionalGeneration, device, dtype)
        self._look = BlipImageProcessor.from_pretrained(entry.path, local_files_only=True)

    def tokens(self, pixels: np.ndarray) -> Iterator[int]:
        """The likeliest caption of RGB pixels [height, width, 3], each token as soon as it is known."""
        look = self._look(images=torch.from_numpy(pixels).permute(2, 0, 1), return_tensors="pt").pixel_values
        seen = self._model.vision_model(look.to(self.device, self._model.dtype)).last_hidden_state
        words = self._model.config.text_config
        token, past = words.bos_token_id, None
        for _ in range(LONGEST):
            said = self._model.text_decoder(
                torch.tensor([[token]], device=self.device),
                encoder_hidden_states=seen,
                past_key_values=past,
                use_cache=True,
            )
            token, past = int(said.logits[0, -1].argmax()), said.past_key_values
            if token == words.sep_token_id:
                return
            yield token


def load(entry: ModelEntry, device: torch.device, dtype: torch.dtype) -> Captioner:
    """Raises SpeakerError for a folder that holds no BLIP."""
    return Captioner(entry, device, dtype)
