"""Conditioning: encoded prompts, as the denoiser takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True, slots=True)
class Conditioning:
    """One prompt for one row of a batch, or several of them stacked over rows.

    Rows whose embeds and extras have equal shapes may share a forward pass.
    """

    embeds: Tensor
    """Text embeddings [rows, tokens, width] in the text encoder's dtype; `tokens` is a multiple of 77."""
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    """Further inputs of the denoiser, each [rows, …]: `text_embeds` [rows, 1280] and `time_ids` [rows, 6] for SDXL,
    image tokens and their scale with an IP-Adapter."""
    cached_kv: tuple[Tensor, ...] = ()
    """Keys and values [rows, tokens, inner] of one net's cross-attention to `embeds`, if `with_cached_kv` of that net
    added them; the net then computes none."""


@dataclass(frozen=True, slots=True)
class Prompts:
    """The prompts that guide a step, each for one row; all have equal shapes."""

    positives: tuple[Conditioning, ...]
    """They act together, as AND joins them; mostly one."""
    negative: Conditioning | None
    """None: no guidance."""
    weights: tuple[float, ...] = (1.0,)
    """The factor of each positive's guidance; without guidance, its share of the mean."""
