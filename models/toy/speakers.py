"""Text-generating toys: a BLIP and a GPT-2 with random weights and a small vocabulary."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    GPT2Config,
    GPT2LMHeadModel,
)

from models.toy.tokenizer import TEXT, clip_tokenizer

MARKS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WIDTH = 32
LOUD = 1.0
"""Spread of the weights. With the usual initial weights every input would give the same text."""


def captioner(folder: Path) -> None:
    """A BLIP whose text depends on the image."""
    words = sorted({word for word in TEXT.lower().replace(",", " ").split() if word.isalpha()})
    vocabulary = {word: number for number, word in enumerate((*MARKS, *words))}
    size = {"hidden_size": WIDTH, "intermediate_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = BlipConfig(
        text_config={
            **size,
            "encoder_hidden_size": WIDTH,
            "vocab_size": len(vocabulary),
            "max_position_embeddings": 64,
            "bos_token_id": vocabulary["[CLS]"],
            "eos_token_id": vocabulary["[SEP]"],
            "sep_token_id": vocabulary["[SEP]"],
            "pad_token_id": vocabulary["[PAD]"],
            "initializer_range": LOUD,
        },
        vision_config={**size, "image_size": 32, "patch_size": 8, "initializer_range": LOUD},
        projection_dim=WIDTH,
    )
    BlipForConditionalGeneration(config).save_pretrained(folder)
    BertTokenizer(vocab=vocabulary).save_pretrained(folder)
    BlipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)


def enhancer(folder: Path) -> None:
    """A GPT-2 that generates words of the vocabulary."""
    tokenizer = clip_tokenizer()
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=256,
        n_embd=WIDTH,
        n_layer=2,
        n_head=2,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        initializer_range=LOUD / 4,
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


SPEAKERS: Mapping[str, Callable[[Path], None]] = {"toy-blip": captioner, "toy-gpt2": enhancer}
