"""Parameters of token merging: faster steps, a slightly different image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipelines.params.patch import PatchParams

if TYPE_CHECKING:
    import numpy as np

    from models.patches.token_merging import TokenMerging
    from pipelines.pipeline import Models


class TomeInfo(PatchParams):
    """Merges similar tokens of the denoiser before its attention layers (ToMe)."""

    enable: bool = Field(False, description="Merge tokens.")
    ratio: float = Field(
        0.5,
        ge=0,
        le=1,
        description="The fraction of the tokens to merge into others. One token per window always stays.",
    )
    max_downsample: Literal[1, 2, 4, 8] = Field(
        1, description="Merge in the layers that work at 1 / max_downsample of the size of the latents, or larger."
    )
    sx: int = Field(2, ge=1, le=8, description="Width of the windows in which one token stays.")
    sy: int = Field(2, ge=1, le=8, description="Height of the windows.")
    seed: int = Field(
        -1,
        ge=-1,
        lt=2**32,
        description="Decides which token of a window stays. -1: a common seed, so that tasks can share steps.",
    )
    use_rand: bool = Field(True, description="A random token of each window stays. false: always the first one.")
    merge_attn: bool = Field(True, description="Merge before self-attention.")
    merge_crossattn: bool = Field(False, description="Merge before cross-attention.")
    merge_mlp: bool = Field(False, description="Merge before the feed-forward layers.")

    def denoiser_patch(self, checkpoint: str, models: Models, images: Mapping[str, np.ndarray]) -> TokenMerging | None:
        from models.patches.token_merging import TokenMerging

        if not self.enable:
            return None
        seed = max(self.seed, 0) if self.use_rand else None
        layers = self.merge_attn, self.merge_crossattn, self.merge_mlp
        return TokenMerging(self.ratio, self.max_downsample, self.sx, self.sy, seed, *layers)
