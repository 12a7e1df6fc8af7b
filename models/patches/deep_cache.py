"""Deep features of a denoiser, kept from one step for the next: of all that it computes they change the least.

Ma, Fang and Wang, "DeepCache: Accelerating Diffusion Models for Free", 2024. What is kept is what the last layer on the
way up is given from within; a shallow pass computes that layer and the first convolution, whose skip connection it
takes, and nothing between (the authors' branch 0).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn


@dataclass(slots=True)
class Deep:
    """What a whole pass leaves for shallow ones, [rows, channels, h, w]; None until then."""

    features: Tensor | None = None


@contextmanager
def capture_deep_features(unet: UNet2DConditionModel, deep: Deep | None) -> Iterator[None]:
    """Within this block a whole pass of `unet` leaves its features in `deep`, if there is one that has none yet."""
    if deep is None or deep.features is not None:
        yield
        return
    layer = unet.up_blocks[-1].resnets[-1]
    inner = layer.in_channels - unet.conv_in.out_channels

    def keep(_: nn.Module, given: tuple[Tensor, ...]) -> None:
        deep.features = given[0][:, :inner]

    handle = layer.register_forward_pre_hook(keep)
    try:
        yield
    finally:
        handle.remove()


def shallow(
    unet: UNet2DConditionModel,
    latents: Tensor,
    timesteps: Tensor,
    embeds: Tensor,
    extras: Mapping[str, Tensor],
    features: Tensor,
    residuals: Sequence[Tensor],
) -> Tensor:
    """What `unet` makes of latents [rows, inputs, h, w] in its dtype, its deep features taken to be `features`; of what
    ControlNets add, only the first part is felt, which is meant for the skip connection that is used."""
    time = unet.time_embedding(unet.get_time_embed(sample=latents, timestep=timesteps))
    added = unet.get_aug_embed(emb=time, encoder_hidden_states=embeds, added_cond_kwargs=extras)
    time = time if added is None else time + added
    skip = unet.conv_in(latents)
    skip = skip + residuals[0] if residuals else skip
    block = unet.up_blocks[-1]
    hidden = block.resnets[-1](torch.cat([features, skip], dim=1), time)
    if getattr(block, "has_cross_attention", False):
        hidden = block.attentions[-1](hidden, encoder_hidden_states=embeds, return_dict=False)[0]
    output: Tensor = unet.conv_out(unet.conv_act(unet.conv_norm_out(hidden)))
    return output
