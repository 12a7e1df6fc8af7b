"""Teaches the toy's text encoder what a caption says, before any picture: which things, colours, sizes and places.

A UNet learns slowly from words that mean nothing yet. Here linear readers of the encoder's output at the end of the
text, and at the last of the padding, must tell each attribute of the scene; the readers are then thrown away.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from models.toy.training.course import train
from models.toy.world import BACKGROUNDS, COLOURS, NOUNS, PLACES, SIZES, STYLES, Scene, caption_of

THINGS = 3
BATCH = 64
LENGTHS = (32, 32, 32, 77)
"""Text is padded to one of these; most often shortly, for that is cheaper and the end of the text is the same."""
SLOT = (len(NOUNS) + 1, len(COLOURS) + 1, len(SIZES) + 1, len(PLACES) + 1)
"""Classes of what is asked about each thing; one more for no thing at all."""
WHOLE = (len(BACKGROUNDS), len(STYLES))


def attributes(scene: Scene) -> list[int]:
    """The classes that the readers must tell, in order: four of each of three things, background and style."""
    answers: list[int] = []
    for place in range(THINGS):
        if place < len(scene.things):
            thing = scene.things[place]
            properties: Sequence[tuple[Sequence[str], str]] = (
                (list(NOUNS), thing.noun),
                (list(COLOURS), thing.colour),
                (list(SIZES), thing.size),
                (list(PLACES), thing.place),
            )
            answers += [choices.index(chosen) for choices, chosen in properties]
        else:
            answers += [classes - 1 for classes in SLOT]
    return [*answers, list(BACKGROUNDS).index(scene.background), list(STYLES).index(scene.style)]


class Readers(nn.Module):
    """The encoder and what reads from it."""

    def __init__(self, encoder: CLIPTextModel) -> None:
        super().__init__()
        self.encoder = encoder
        self.sizes = (*SLOT * THINGS, *WHOLE)
        self.read = nn.Linear(encoder.config.hidden_size, sum(self.sizes))

    def forward(self, ids: Tensor) -> list[Tensor]:
        """Logits of each attribute, at the end of the text and at the last of the padding."""
        hidden = self.encoder(ids).last_hidden_state
        end = (ids == self.encoder.config.eos_token_id).int().argmax(dim=1)
        pooled = torch.cat([hidden[torch.arange(len(ids)), end], hidden[:, -1]])
        return list(self.read(pooled).split(self.sizes, dim=1))


def train_text_encoder(
    encoder: CLIPTextModel, tokenizer: CLIPTokenizer, scenes: Sequence[Scene], *, steps: int, state: Path
) -> None:
    answers = torch.tensor([attributes(scene) for scene in scenes])

    def loss(step: int) -> Tensor:
        chance = Random(step)
        chosen = [chance.randrange(len(scenes)) for _ in range(BATCH)]
        captions = [caption_of(scenes[one], chance) for one in chosen]
        ids = tokenized(tokenizer, captions, chance.choice(LENGTHS))
        targets = answers[chosen].repeat(2, 1)
        losses = [F.cross_entropy(logits, targets[:, place]) for place, logits in enumerate(readers(ids))]
        return torch.stack(losses).mean()

    readers = Readers(encoder).train()
    train(readers, loss, steps=steps, rate=1e-3, state=state, average=0.99)
    encoder.eval().requires_grad_(False)


def tokenized(tokenizer: CLIPTokenizer, captions: Sequence[str], length: int = 77) -> Tensor:
    return torch.tensor(tokenizer(list(captions), padding="max_length", truncation=True, max_length=length).input_ids)
