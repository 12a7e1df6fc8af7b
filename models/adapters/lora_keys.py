"""The names of the modules of a net in LoRA files: their paths in diffusers, or those in the original UNet."""

from __future__ import annotations

from collections.abc import Iterator

from diffusers import UNet2DConditionModel
from torch import nn

from models.files.lora_layout import flatten_path

_RESNET = {
    "norm1": "in_layers.0",
    "norm2": "out_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_OUTSIDE_BLOCKS = {
    "conv_norm_out": "out.0",
    "conv_in": "input_blocks.0.0",
    "conv_out": "out.2",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}


Target = nn.Linear | nn.Conv2d | nn.LayerNorm | nn.GroupNorm
"""A module that a LoRA can update. Norms have full deltas."""


def modules_by_name(net: nn.Module) -> dict[str, Target]:
    """Every module that a LoRA can update, by each of its names with underscores for dots."""
    original = original_paths(net) if isinstance(net, UNet2DConditionModel) else {}
    modules: dict[str, Target] = {}
    for path, module in net.named_modules():
        if isinstance(module, Target):
            names = {path, path.removesuffix(".0") if path.endswith("to_out.0") else path, original.get(path, path)}
            modules.update(dict.fromkeys(map(flatten_path, names), module))
    return modules


def original_paths(unet: UNet2DConditionModel) -> dict[str, str]:
    """The path of each module in the original UNet, by its path in diffusers."""
    blocks = dict(_original_blocks(unet))
    return {path: _original_path(path, blocks) for path, _ in unet.named_modules()}


def _original_blocks(unet: UNet2DConditionModel) -> Iterator[tuple[str, str]]:
    """The paths of blocks in diffusers and in the original UNet, which numbers blocks without regard to levels."""
    yield from _OUTSIDE_BLOCKS.items()
    index = 1
    for level, block in enumerate(unet.down_blocks):
        for layer in range(len(block.resnets)):
            yield f"down_blocks.{level}.resnets.{layer}", f"input_blocks.{index}.0"
            yield f"down_blocks.{level}.attentions.{layer}", f"input_blocks.{index}.1"
            index += 1
        yield f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{index}.0.op"
        index += block.downsamplers is not None
    index = 0
    for level, block in enumerate(unet.up_blocks):
        for layer in range(len(block.resnets)):
            yield f"up_blocks.{level}.resnets.{layer}", f"output_blocks.{index}.0"
            yield f"up_blocks.{level}.attentions.{layer}", f"output_blocks.{index}.1"
            index += 1
        position = 2 if hasattr(block, "attentions") else 1
        yield f"up_blocks.{level}.upsamplers.0.conv", f"output_blocks.{index - 1}.{position}.conv"


def _original_path(path: str, blocks: dict[str, str]) -> str:
    block = next((block for block in blocks if path == block or path.startswith(block + ".")), None)
    if block is None:
        return path
    rest = path.removeprefix(block).removeprefix(".")
    renamed = _RESNET.get(rest, rest) if ".resnets." in path else rest
    return ".".join(filter(None, (blocks[block], renamed)))
