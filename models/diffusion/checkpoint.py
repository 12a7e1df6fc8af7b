"""The contract between weights and the engine: what a loaded checkpoint can do.

The engine and the recipes see only this. A model family (`sd1.py`, `sdxl.py`) implements it; nothing above `models/`
asks which family a checkpoint belongs to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.adapters.lora_merge import Adapter
    from models.adapters.lora_packing import LoraSet
    from models.adapters.textual_inversion import Inversion
    from models.compiled.forward_pass import PassRunner
    from models.compiled.static_weights import StaticWeights
    from models.conditioning import Conditioning
    from models.diffusion.tiny_decoder import TinyDecoder
    from models.diffusion.vae import Vae
    from models.noise import GaussianNoise
    from models.patches.patch import DenoiserPatch, PatchedRows


@runtime_checkable
class Checkpoint(Protocol):
    """A loaded model."""

    name: str
    version: str
    """`ModelEntry.version`: also tells apart the files that had its name one after another."""
    serial: int
    """See `next_serial`."""
    family: str
    channels: int
    """Channels of the latents [rows, channels, height / vae_scale_factor, width / vae_scale_factor]."""
    in_channels: int
    """Channels that `predict` takes: `channels`, or 2 · `channels` + 1 if the checkpoint was trained for inpainting. It
    then also takes a mask (1: paint) and the latents of the picture with the mask cut out."""
    vae_scale_factor: int
    """Pixels per latent, in each direction."""
    patches: tuple[DenoiserPatch, ...]
    """What the engine applies to `predict`, in this order."""
    device: torch.device
    dtype: torch.dtype
    static: StaticWeights
    """The memory of the denoiser's weights. A CUDA graph captured over it works for any checkpoint copied into it."""
    scheduler_config: Mapping[str, Any]
    """The diffusers scheduler config that the weights were trained for: betas, prediction type, spacing, offset."""

    @property
    def adapters(self) -> tuple[tuple[int, float], ...]:
        """Serials and scales of the LoRAs that `predict` merges into the denoiser. Only checkpoints with equal LoRAs
        can share a forward pass."""
        ...

    @property
    def warnings(self) -> tuple[str, ...]:
        """What of the LoRAs has no effect, in sentences for the user."""
        ...

    def adapted(
        self,
        adapters: Sequence[Adapter] = (),
        inversions: Sequence[Inversion] = (),
        patches: Sequence[DenoiserPatch] = (),
        decoder: TinyDecoder | None = None,
        vae: Vae | None = None,
    ) -> Self:
        """A view of the same weights for one task. Raises what `DenoiserPatch.bind` raises, and LoraError for a LoRA
        of which nothing applies to this model.

        `adapters` are LoRAs that are merged into the weights whenever this view is used, in place of all others.
        `inversions` replace their words in prompts.
        `patches` change the denoiser, and may add to the conditioning of prompts.
        `decoder` replaces the checkpoint's own in `decode`.
        `vae` replaces the checkpoint's own, for `encode` and, without a `decoder`, for `decode`.
        """
        ...

    def encode_prompts(
        self, positives: Sequence[str], negatives: Sequence[str], *, clip_skip: int, width: int, height: int
    ) -> tuple[list[Conditioning], list[Conditioning]]:
        """Conditionings of prompts and of negative prompts, all padded to one token count.

        `clip_skip` counts the layers of the text encoder left out at the end; -1 is the checkpoint's own default.
        `width` and `height` are those of the image, in pixels.
        """
        ...

    def encode_prompt(
        self, text: str, negative: str | None, *, clip_skip: int, width: int, height: int
    ) -> tuple[Conditioning, Conditioning | None]:
        """The conditionings of one prompt and its negative, if there is one; see `encode_prompts`."""
        ...

    def encode(
        self, pixels: np.ndarray, noise: GaussianNoise, *, mask: np.ndarray | None = None, circular: bool = False
    ) -> torch.Tensor:
        """Scaled latents, float32 [1, channels, h, w], of uint8 RGB pixels [height, width, 3].

        `noise` samples the posterior. Where `mask` (bool [height, width]) is true, pixels count as mid-grey.
        """
        ...

    @property
    def lora_set(self) -> LoraSet | None:
        """The LoRAs of `adapters` for `predict` beside the weights; None if they must be merged."""
        ...

    @property
    def is_merged(self) -> bool:
        """Whether `merge` has nothing to do."""
        ...

    def unmerge(self) -> None:
        """Restores the denoiser's own weights, for LoRAs beside them."""
        ...

    def merge(self) -> None:
        """Merges the LoRAs of `adapters` into the denoiser. `predict` does so by itself; a graph captured of it
        cannot."""
        ...

    def with_cached_kv(self, conditioning: Conditioning, loras: PatchedRows | None = None) -> Conditioning:
        """The conditioning, stacked over rows, with the keys and values of `predict`'s attention to the text.

        They are those of the merged `adapters`, or of `loras`, a `LorasBeside` with its tensors.
        """
        ...

    def predict(
        self,
        latents: torch.Tensor,
        timesteps: torch.Tensor,
        conditioning: Conditioning,
        *,
        residuals: Sequence[torch.Tensor] = (),
        patches: Sequence[PatchedRows] = (),
        runner: PassRunner | None = None,
    ) -> torch.Tensor:
        """The denoiser's output [rows, channels, h, w] in the dtype of `latents`.

        `latents` [rows, in_channels, h, w] are scaled; those for inpainting include mask and masked latents.
        `timesteps` are one per row, [rows].
        `conditioning` is stacked over rows.
        `residuals` are what ControlNets add to the skip connections and, last, to the middle block.
        `patches` are applied in their order; those of `adapted` are not applied unless they are among them. With
        `LorasBeside` among them nothing is merged.
        `runner` runs the pass, for instance as compiled code; None: the UNet itself.
        """
        ...

    def decode(self, latents: torch.Tensor, *, circular: bool = False) -> list[np.ndarray]:
        """uint8 RGB pixels [height, width, 3], one per row of `latents`."""
        ...

    def preview(self, latents: torch.Tensor) -> np.ndarray:
        """A cheap uint8 RGB guess [h, w, 3], at latent size, of the image of one row [1, channels, h, w]."""
        ...
