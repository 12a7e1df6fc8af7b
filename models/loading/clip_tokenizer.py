"""CLIP's tokenizer for single-file checkpoints, which contain none."""

from __future__ import annotations

from transformers import CLIPTokenizer

from models.loading.clip_vocabulary import END, LENGTH, clip_vocabulary


def clip_tokenizer(pad: str = END) -> CLIPTokenizer:
    """The published tokenizer. `pad` fills a prompt up to 77 tokens: the end mark, or "!" for OpenCLIP's encoders.

    Raises WeightsError.
    """
    vocabulary, merges = clip_vocabulary()
    return CLIPTokenizer(dict(vocabulary), list(merges), pad_token=pad, model_max_length=LENGTH)
