"""The contract between weights and the engine: what a loaded checkpoint can do.

The engine and the recipes see only this. A model family (`sd1.py`, `sdxl.py`) implements it; nothing above `models/`
asks which family it talks to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.adapters.ip_adapter import ImagePrompt
    from models.adapters.lora_merge import Adapter
    from models.adapters.textual_inversion import Inversion
    from models.compiled.forward_pass import PassRunner
    from models.compiled.static_weights import StaticWeights
    from models.conditioning import Conditioning
    from models.diffusion.tiny_decoder import TinyDecoder
    from models.noise import GaussianNoise
    from models.patches.deep_cache import Deep
    from models.patches.reference_attention import References, ReferenceStyle
    from models.patches.token_merging import TokenMerging


@runtime_checkable
class Checkpoint(Protocol):
    """A loaded model. Latents are [rows, channels, height / factor, width / factor]."""

    name: str
    family: str
    channels: int
    inputs: int
    """Channels that `predict` takes: `channels`, or 2 · `channels` + 1 if it was trained for inpainting, which is also
    shown the mask (1: paint) and the latents of the picture with the mask cut out."""
    factor: int
    tome: TokenMerging | None
    """How `predict` merges tokens, which sets it apart from others as `adapters` do."""
    image_prompt: ImagePrompt | None
    """What prompts see beside their text; only those with the same IP-Adapter can share a forward pass."""
    style: ReferenceStyle | None
    """The picture that those who denoise with this one are to look at, by `References`."""
    device: torch.device
    dtype: torch.dtype
    static: StaticWeights
    """The memory that the denoiser's weights lie in: what was captured over it serves whoever lies there."""
    scheduler_config: Mapping[str, Any]
    """The diffusers scheduler config that the weights were trained for: betas, prediction type, spacing, offset."""

    @property
    def adapters(self) -> tuple[tuple[str, float], ...]:
        """Names and scales of the LoRAs that `predict` merges into the denoiser. Those that differ in them can share
        no forward pass."""
        ...

    def adapted(
        self,
        adapters: Sequence[Adapter] = (),
        inversions: Sequence[Inversion] = (),
        tome: TokenMerging | None = None,
        image_prompt: ImagePrompt | None = None,
        style: ReferenceStyle | None = None,
        decoder: TinyDecoder | None = None,
    ) -> Self:
        """The same weights, with these LoRAs merged into them whenever this one is used, and none otherwise; in its
        prompts, inversions stand in for their words, and the image prompt is seen; its denoiser merges tokens, if it
        is said how, and looks at the style; `decode` is by the decoder, if there is one.

        Raises IPAdapterMisfitError."""
        ...

    def encode_prompt(
        self, text: str, negative: str | None, *, clip_skip: int, width: int, height: int
    ) -> tuple[Conditioning, Conditioning | None]:
        """Conditionings of a prompt and its negative (None: no guidance), padded to one token count.

        `clip_skip` counts text-encoder layers left out at the end; -1 is the checkpoint's own default.
        """
        ...

    def encode(
        self, pixels: np.ndarray, noise: GaussianNoise, *, hole: np.ndarray | None = None, circular: bool = False
    ) -> torch.Tensor:
        """Scaled latents [1, channels, h, w] of uint8 RGB pixels [height, width, 3]; `noise` samples the posterior.

        Where `hole` (bool [height, width]) is true, the pixels are taken for mid-grey.
        """
        ...

    def merge(self) -> None:
        """Makes the denoiser's weights those that `adapters` asks for. `predict` does so by itself; a graph captured of
        it cannot."""
        ...

    def attended(self, conditioning: Conditioning) -> Conditioning:
        """The same, stacked over rows, with what is `known` of it at every step, for as long as `adapters` stay."""
        ...

    def predict(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        *,
        circular: bool = False,
        residuals: Sequence[torch.Tensor] = (),
        references: References | None = None,
        deep: Deep | None = None,
        by: PassRunner | None = None,
    ) -> torch.Tensor:
        """The denoiser's output [rows, channels, h, w] for scaled latents [rows, inputs, h, w], of an inpainting
        checkpoint followed by mask and masked latents; timesteps are one per row; conditioning is stacked over rows.
        `residuals` are what ControlNets add to its skip connections and, last, to its middle block; `references`
        are the pictures that its rows look at. `deep` is left the deep features of this pass; if it has some of an
        earlier one, they stand in for those of this pass, of which only the outermost layers are computed. `by` decides
        how a pass is run that nothing of all this touches between the layers."""
        ...

    def decode(self, latents: torch.Tensor, *, circular: bool = False) -> list[np.ndarray]:
        """uint8 RGB pixels [height, width, 3], one per row."""
        ...

    def preview(self, latents: torch.Tensor) -> np.ndarray:
        """A cheap uint8 RGB guess [h, w, 3], at latent size, of what one row [1, channels, h, w] will become."""
        ...
