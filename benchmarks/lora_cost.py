"""What LoRAs beside the weights cost, as parts of what the UNet costs. It counts, and runs no net.

    python -m benchmarks.lora_cost

For LoRAs of every linear layer and convolution of SD 1 at 512² and of SDXL at 1024².
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from models.adapters.cheap_forms import DenseKronecker, find_cheap_form

UNETS = {"SD 1": ("sd1", 64), "SDXL": ("sdxl", 128)}
"""Folder of the configuration, and side of the latents."""
Factors = Callable[[torch.Size], dict[str, Tensor]]
"""The factors of an update of a weight of this shape."""


def product(rank: int) -> Factors:
    return lambda shape: {"down": torch.empty(rank, *shape[1:]), "up": torch.empty(shape[0], rank)}


def hadamard(rank: int) -> Factors:
    return lambda shape: {
        f"hada_w{index}_{side}": torch.empty(*sides)
        for index in (1, 2)
        for side, sides in {"a": (shape[0], rank), "b": (rank, prod(shape[1:]))}.items()
    }


def kronecker(factor: int) -> Factors:
    def factors(shape: torch.Size) -> dict[str, Tensor]:
        outputs, inputs = (factor if side % factor == 0 else 1 for side in shape[:2])
        large = torch.empty(shape[0] // outputs, shape[1] // inputs, *shape[2:])
        return {"lokr_w1": torch.empty(outputs, inputs), "lokr_w2": large}

    return factors


KINDS: dict[str, Factors] = {
    **{f"LoRA of rank {rank}": product(rank) for rank in (8, 32, 64, 128)},
    **{f"LoHa of rank {rank}": hadamard(rank) for rank in (4, 8, 16)},
    **{f"LoKr with full matrices, factor {factor}": kronecker(factor) for factor in (2, 4, 8, 16)},
    "full difference": lambda shape: {"diff": torch.empty(shape)},
}


def positions(unet: nn.Module, side: int) -> dict[nn.Linear | nn.Conv2d, int]:
    """How often each layer multiplies its weight for one row of latents."""
    found: dict[nn.Linear | nn.Conv2d, int] = {}

    def count(layer: nn.Module, _: object, output: Tensor) -> None:
        assert isinstance(layer, nn.Linear | nn.Conv2d)
        found[layer] = output.numel() // layer.weight.shape[0]

    for layer in unet.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            layer.register_forward_hook(count)
    config: Any = unet.config
    added = {"text_embeds": torch.empty(1, 1280), "time_ids": torch.empty(1, 6)} if config.addition_embed_type else None
    text = torch.empty(1, 77, config.cross_attention_dim)
    unet(torch.empty(1, 4, side, side), torch.empty(1), text, added_cond_kwargs=added)
    return found


def share(layers: dict[nn.Linear | nn.Conv2d, int], factors: Factors) -> tuple[float, float, float]:
    """Of all layers: the part that may have the update beside its weight, its multiplications, and its numbers."""
    own = sum(times * layer.weight.numel() for layer, times in layers.items())
    weights = sum(layer.weight.numel() for layer in layers)
    narrow = multiplications = numbers = 0
    for layer, times in layers.items():
        update = find_cheap_form(factors(layer.weight.shape), layer.weight.shape)
        if update is None:
            continue
        size = sum(tensor.numel() for tensor in update)
        narrow += 1
        numbers += size
        multiplications += times * (update.cost if isinstance(update, DenseKronecker) else size)
    return narrow / len(layers), multiplications / own, numbers / weights


def main() -> None:
    configs = Path(__file__).parents[1] / "models" / "configs"
    print("| | layers that may have it | multiplications | memory |\n|---|---|---|---|")
    for model, (family, side) in UNETS.items():
        with torch.device("meta"), torch.inference_mode():
            unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(configs / family / "unet"))
            layers = positions(unet, side)
            for kind, factors in KINDS.items():
                narrow, multiplications, numbers = share(layers, factors)
                print(f"| {model}, {kind} | {narrow:.0%} | {multiplications:.0%} | {numbers:.1%} |")


if __name__ == "__main__":
    main()
