"""Deep features of a denoiser, reused from step to step: of all that it computes they change the least.

Ma, Fang and Wang, "DeepCache: Accelerating Diffusion Models for Free", 2024. The cached features are the input that the
last layer on the way up gets from below. A cached pass computes only that layer and the first convolution, whose skip
connection the layer takes, and nothing between (the authors' branch 0).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from models.patches.patch import DenoiserInputs, DenoiserPatch, PatchedRows

FEATURES = "deep"
"""Name of the deep features [rows, channels, h, w] among a patch's tensors and outputs."""


@dataclass(frozen=True, slots=True)
class DeepCache(DenoiserPatch):
    """One step of DeepCache: a cached pass takes its features from `tensors`, a full one leaves its own in `outputs`.

    Which of the two a step is, and the features until the next step, are the Trajectory's: they belong to its stored
    state and to its estimate of the remaining time. ControlNets run only their outermost layer beside a cached pass.
    """

    cached: bool

    @property
    def batch_key(self) -> Hashable:
        return self.cached

    def apply(self, unet: Any, rows: PatchedRows, inputs: DenoiserInputs) -> AbstractContextManager[None]:
        if self.cached:
            return cached_deep_features(unet, rows.tensors[FEATURES])
        return capture_deep_features(unet, rows.outputs)


@contextmanager
def capture_deep_features(unet: UNet2DConditionModel, outputs: dict[str, Tensor]) -> Iterator[None]:
    """Within this block a pass of `unet` leaves its deep features in `outputs`."""
    layer = unet.up_blocks[-1].resnets[-1]
    channels = layer.in_channels - unet.conv_in.out_channels

    def capture(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        outputs[FEATURES] = inputs[0][:, :channels]

    handle = layer.register_forward_pre_hook(capture)
    try:
        yield
    finally:
        handle.remove()


@contextmanager
def cached_deep_features(unet: UNet2DConditionModel, features: Tensor) -> Iterator[None]:
    """Within this block a pass of `unet` computes its outermost layers only, on these deep features."""
    unet.forward = partial(_forward, unet, features)
    try:
        yield
    finally:
        del unet.forward


def _forward(
    unet: UNet2DConditionModel,
    features: Tensor,
    latents: Tensor,
    timesteps: Tensor,
    embeds: Tensor,
    *,
    added_cond_kwargs: Mapping[str, Tensor] | None = None,
    down_block_additional_residuals: tuple[Tensor, ...] = (),
    mid_block_additional_residual: Tensor | None = None,
    return_dict: bool = False,
) -> tuple[Tensor]:
    """Stands in for `UNet2DConditionModel.forward`. Of a ControlNet's residuals only the first one is used: it belongs
    to the one skip connection that is."""
    time = unet.time_embedding(unet.get_time_embed(sample=latents, timestep=timesteps))
    added = unet.get_aug_embed(emb=time, encoder_hidden_states=embeds, added_cond_kwargs=added_cond_kwargs or {})
    time = time if added is None else time + added
    skip = unet.conv_in(latents)
    residuals = (*down_block_additional_residuals, mid_block_additional_residual)
    skip = skip if residuals[0] is None else skip + residuals[0]
    block = unet.up_blocks[-1]
    hidden = block.resnets[-1](torch.cat([features, skip], dim=1), time)
    if getattr(block, "has_cross_attention", False):
        hidden = block.attentions[-1](hidden, encoder_hidden_states=embeds, return_dict=False)[0]
    return (unet.conv_out(unet.conv_act(unet.conv_norm_out(hidden))),)
