"""What the modules of a net are called in LoRA files: by diffusers' paths, or by those of the original UNet."""

from __future__ import annotations

from collections.abc import Iterator

from diffusers import UNet2DConditionModel
from torch import nn

from models.adapters.lora import flat

_RESNET = {
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_ELSEWHERE = {
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


def modules_by_name(net: nn.Module) -> dict[str, nn.Linear | nn.Conv2d]:
    """Every module that a LoRA may update, by each of its names, flattened."""
    original = originals(net) if isinstance(net, UNet2DConditionModel) else {}
    found: dict[str, nn.Linear | nn.Conv2d] = {}
    for path, module in net.named_modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            names = {path, path.removesuffix(".0") if path.endswith("to_out.0") else path, original.get(path, path)}
            found.update(dict.fromkeys(map(flat, names), module))
    return found


def originals(unet: UNet2DConditionModel) -> dict[str, str]:
    """The path in the original UNet of each module, by its own."""
    blocks = dict(_blocks(unet))
    return {path: _original(path, blocks) for path, _ in unet.named_modules()}


def _blocks(unet: UNet2DConditionModel) -> Iterator[tuple[str, str]]:
    """Where the original UNet has the blocks of this one: it counts them through, without regard to levels."""
    yield from _ELSEWHERE.items()
    place = 1
    for level, block in enumerate(unet.down_blocks):
        for layer in range(len(block.resnets)):
            yield f"down_blocks.{level}.resnets.{layer}", f"input_blocks.{place}.0"
            yield f"down_blocks.{level}.attentions.{layer}", f"input_blocks.{place}.1"
            place += 1
        yield f"down_blocks.{level}.downsamplers.0.conv", f"input_blocks.{place}.0.op"
        place += block.downsamplers is not None
    place = 0
    for level, block in enumerate(unet.up_blocks):
        for layer in range(len(block.resnets)):
            yield f"up_blocks.{level}.resnets.{layer}", f"output_blocks.{place}.0"
            yield f"up_blocks.{level}.attentions.{layer}", f"output_blocks.{place}.1"
            place += 1
        beside = 2 if hasattr(block, "attentions") else 1
        yield f"up_blocks.{level}.upsamplers.0.conv", f"output_blocks.{place - 1}.{beside}.conv"


def _original(path: str, blocks: dict[str, str]) -> str:
    start = next((start for start in blocks if path == start or path.startswith(start + ".")), None)
    if start is None:
        return path
    inside = path.removeprefix(start).removeprefix(".")
    renamed = _RESNET.get(inside, inside) if ".resnets." in path else inside
    return ".".join(filter(None, (blocks[start], renamed)))
