"""A checkpoint whose denoiser is as small as can be, and the package of its steps, made once and kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel

from models.compiled.forward_pass import flatten_inputs, numbered_parts, run_net
from models.patches.cross_attention_cache import cached_cross_attention, keys_and_values, text_layers

SIDE = 64


def tiny_unet() -> UNet2DConditionModel:
    """One level, one attention layer to the text of toy-sd1; random weights, the same each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = UNet2DConditionModel(
            sample_size=8,
            layers_per_block=1,
            norm_num_groups=4,
            cross_attention_dim=128,
            block_out_channels=(8,),
            down_block_types=("CrossAttnDownBlock2D",),
            mid_block_type=None,
            up_block_types=("CrossAttnUpBlock2D",),
            attention_head_dim=4,
        )
    return net.eval().requires_grad_(False)


def stretched(net: UNet2DConditionModel) -> UNet2DConditionModel:
    """With other weights."""
    for weight in net.parameters():
        weight.data.mul_(1.1)
    return net


def make_inputs(net: UNet2DConditionModel, seed: int = 0) -> dict[str, torch.Tensor]:
    """The inputs of a step with two rows, including their keys and values."""
    generator = torch.Generator().manual_seed(seed)
    embeds = torch.randn(2, 77, 128, generator=generator)
    latents = torch.randn(2, 4, 8, 8, generator=generator)
    known = keys_and_values(text_layers(net), embeds.to(net.dtype))
    return flatten_inputs(latents=latents, timesteps=torch.tensor([981.0, 401.0]), embeds=embeds, known=known)


@torch.inference_mode()
def run_uncompiled(net: UNet2DConditionModel, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """The outputs of the uncompiled pass, with the cached keys and values of `inputs`."""
    with cached_cross_attention(text_layers(net), numbered_parts(inputs, "known")):
        return run_net(net, inputs)


def build(folder: Path, toys: Path) -> None:
    """Fills `folder` with `models.yaml`, the checkpoint `tiny` and, in `packages`, the step of one guided image."""
    tiny = folder / "tiny"
    tiny.mkdir(parents=True, exist_ok=True)
    for part in (toys / "toy-sd1").iterdir():
        if part.name != "unet" and not (tiny / part.name).exists():
            (tiny / part.name).symlink_to(part)
    tiny_unet().save_pretrained(tiny / "unet")
    (folder / "models.yaml").write_text(f"models: [{{name: tiny, path: tiny, family: sd1, side: {SIDE}}}]\n")
    told = {"HUA_MODELS_DIR": str(folder), "HUA_COMPILE": str(folder / "packages"), "HUA_DEVICE": "cpu"}
    subprocess.run([sys.executable, "-m", "server", "compile"], env=os.environ | told, check=True)
