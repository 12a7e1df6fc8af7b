"""Gives a randomly initialised toy a last layer that fits: ridge regression instead of training.

A random convolutional network is a fixed set of features, and its last convolution is linear in them; so the best one
for a quadratic loss has a closed form (random features: Rahimi & Recht, 2007). It takes a second and makes the toy's
autoencoder return a blurred image of what it was given, and its denoiser a crude denoiser.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from diffusers.models.downsampling import Downsample2D
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from torch import Tensor, nn

RIDGE = 1e-3
LOG_VARIANCE = -12.0
"""Of the toy's posterior: an encoding is almost the same whatever noise it is sampled with."""


def scenes(count: int, size: int) -> Tensor:
    """Made-up pictures [count, 3, size, size] in -1..1: soft coloured clouds with a few discs on them."""
    pictures = torch.tanh(1.5 * F.interpolate(torch.randn(count, 3, 4, 4), size=(size, size), mode="bicubic"))
    rows, columns = torch.meshgrid(torch.linspace(0, 1, size), torch.linspace(0, 1, size), indexing="ij")
    for picture in pictures:
        for _ in range(3):
            (row, column), radius = torch.rand(2), 0.05 + 0.2 * torch.rand(())
            inside = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
            picture[:, inside] = 2 * torch.rand(3, 1) - 1
    return pictures


def fit(module: nn.Module, last: nn.Conv2d, inputs: Sequence[tuple[Any, ...]], targets: Sequence[Tensor]) -> None:
    """Sets `last`, the final convolution of `module`, to the ridge solution of module(*inputs[i]) = targets[i]."""
    width = last.in_channels * last.kernel_size[0] * last.kernel_size[1] + 1
    gram, moment = torch.zeros(width, width), torch.zeros(width, last.out_channels)
    captured: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, arguments: captured.append(arguments[0]))
    try:
        for arguments, target in zip(inputs, targets, strict=True):
            module(*arguments)
            patches = (
                F.unfold(captured.pop(), last.kernel_size, padding=last.kernel_size[0] // 2)
                .transpose(1, 2)
                .flatten(0, 1)
            )
            rows = torch.cat([patches, torch.ones(len(patches), 1)], dim=1)
            gram += rows.T @ rows
            moment += rows.T @ target.permute(0, 2, 3, 1).flatten(0, 2)
    finally:
        hook.remove()
    gram.diagonal().add_(RIDGE * gram.diagonal().mean())
    solution = torch.linalg.solve(gram, moment)
    last.weight.copy_(solution[:-1].T.reshape(last.weight.shape))
    last.bias = nn.Parameter(solution[-1])


def _let_through(net: nn.Module) -> None:
    """Makes sure that a picture's own mean and contrast survive to the last layer: residual branches whisper, and
    biases are so large that the normalisations hardly see anything else."""
    net.get_parameter("conv_in.bias").normal_(std=2)
    for module in net.modules():
        if isinstance(module, ResnetBlock2D):
            module.conv2.weight.mul_(0.1)
        elif isinstance(module, Downsample2D | Upsample2D):
            module.conv.bias.normal_(std=2)


@torch.no_grad()
def fit_autoencoder(vae: AutoencoderKL) -> None:
    """Latents become the local mean colour and its contrast, at unit deviation once scaled; pixels follow from them."""
    for net in (vae.encoder, vae.decoder):
        _let_through(net)
    factor, channels, scaling = 8, vae.config.latent_channels, vae.config.scaling_factor
    for conv in (vae.quant_conv, vae.post_quant_conv):
        nn.init.dirac_(conv.weight)
        nn.init.zeros_(conv.bias)
    pictures = scenes(8, 128)
    colour = F.avg_pool2d(pictures, factor)
    contrast = F.avg_pool2d(pictures.mean(dim=1, keepdim=True).square(), factor)
    meaning = torch.cat([colour, contrast], dim=1)
    meaning = (meaning - meaning.mean(dim=(0, 2, 3), keepdim=True)) / meaning.std(dim=(0, 2, 3), keepdim=True)
    latents = meaning / scaling
    moments = torch.cat([latents, torch.full_like(latents, LOG_VARIANCE)], dim=1)
    batches = torch.split(pictures, 4)
    fit(vae.encoder, vae.encoder.conv_out, [(batch,) for batch in batches], torch.split(moments, 4))
    encoded = [(vae.encoder(batch)[:, :channels],) for batch in batches]
    fit(vae.decoder, vae.decoder.conv_out, encoded, batches)


@torch.no_grad()
def fit_denoiser(
    unet: UNet2DConditionModel,
    vae: AutoencoderKL,
    scheduler: Mapping[str, Any],
    prediction: Literal["epsilon", "v_prediction"],
) -> None:
    """Fits the prediction of noise (or velocity) at all noise levels, for prompts that are random vectors."""
    _let_through(unet)
    noising = DDPMScheduler.from_config({**scheduler, "prediction_type": prediction})
    inputs: list[tuple[Any, ...]] = []
    targets: list[Tensor] = []
    for _ in range(8):
        pictures = scenes(4, 128)
        clean = vae.encode(pictures).latent_dist.mean * vae.config.scaling_factor
        noise, timesteps = torch.randn_like(clean), torch.randint(1000, (4,))
        noisy = noising.add_noise(clean, noise, timesteps)
        inputs.append((noisy, timesteps, torch.randn(4, 77, unet.config.cross_attention_dim), *_extras(unet)))
        targets.append(noise if prediction == "epsilon" else noising.get_velocity(clean, noise, timesteps))
    fit(unet, unet.conv_out, inputs, targets)


def _extras(unet: UNet2DConditionModel) -> tuple[Any, ...]:
    """The further arguments of an SDXL UNet up to `added_cond_kwargs`, for four rows of 128 pixels."""
    if unet.config.addition_embed_type != "text_time":
        return ()
    width = unet.config.projection_class_embeddings_input_dim - 6 * unet.config.addition_time_embed_dim
    size = torch.tensor([[128.0, 128.0, 0.0, 0.0, 128.0, 128.0]]).expand(4, -1)
    return (None, None, None, None, {"text_embeds": torch.randn(4, width), "time_ids": size})
