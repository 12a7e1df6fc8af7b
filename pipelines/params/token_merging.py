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
    """Merges tokens of the denoiser that are much alike before its attention (ToMe)."""

    enable: bool = False
    ratio: float = Field(
        0.5, ge=0, le=1, description="Share of the tokens merged into others; all but one of each window at most."
    )
    max_downsample: Literal[1, 2, 4, 8] = Field(
        1, description="Merge where the denoiser works at 1 / this of the latents' size, or larger."
    )
    sx: int = Field(2, ge=1, le=8, description="Width of the windows of which one token is kept.")
    sy: int = Field(2, ge=1, le=8, description="Their height.")
    seed: int = Field(
        -1, ge=-1, lt=2**32, description="Decides which token of a window is kept; -1 lets tasks share their steps."
    )
    use_rand: bool = Field(True, description="Keep another token in each window; false: always the first.")
    merge_attn: bool = True
    merge_crossattn: bool = False
    merge_mlp: bool = False

    def denoiser_patch(self, checkpoint: str, models: Models, images: Mapping[str, np.ndarray]) -> TokenMerging | None:
        from models.patches.token_merging import TokenMerging

        if not self.enable:
            return None
        seed = max(self.seed, 0) if self.use_rand else None
        layers = self.merge_attn, self.merge_crossattn, self.merge_mlp
        return TokenMerging(self.ratio, self.max_downsample, self.sx, self.sy, seed, *layers)
