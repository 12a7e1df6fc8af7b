"""Adapters for the toys: a trained LoRA, and random LoRAs and embeddings in every layout that tests read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from models.adapters.lora_keys import original_paths
from models.toy import nets
from models.toy.nets import TOYS
from models.toy.tokenizer import clip_tokenizer
from models.toy.trained import weights

RANK = 4
FELT = 0.5
"""Size of an update, relative to the weight that it changes."""


def kohya() -> dict[str, Tensor]:
    """For toy-sd1: attention and convolutions of the UNet, and the text encoder."""
    state: dict[str, Tensor] = {}
    for path, module in _modules("toy-sd1")["unet"]:
        if ".attn" in path or path.endswith(("conv1", "proj_in")):
            state |= _trained(f"lora_unet_{path.replace('.', '_')}", module, ("lora_down", "lora_up"))
    for path, module in _modules("toy-sd1")["text_encoder"]:
        state |= _trained(f"lora_te_text_model_{path.replace('.', '_')}", module, ("lora_down", "lora_up"))
    return state


def peft() -> dict[str, Tensor]:
    """For toy-sd1: only attention of the UNet, as diffusers saves it. Without alphas, so they equal the rank."""
    modules = _modules("toy-sd1")["unet"]
    attention = [(path, module) for path, module in modules if path.endswith(("to_q", "to_v", "to_out.0"))]
    trained = [_trained(f"unet.{path}", module, ("lora_A", "lora_B")) for path, module in attention]
    return {key: tensor for one in trained for key, tensor in one.items() if not key.endswith("alpha")}


def original() -> dict[str, Tensor]:
    """For toy-sdxl: UNet by its original key names, and both text encoders."""
    state: dict[str, Tensor] = {}
    modules, names = _modules("toy-sdxl"), original_paths(nets.unet(TOYS[2]))
    for path, module in modules["unet"]:
        if ".attn" in path or ".resnets." in path:
            state |= _trained(f"lora_unet_{names[path].replace('.', '_')}", module, ("lora_down", "lora_up"))
    for index, part in enumerate(("text_encoder", "text_encoder_2"), start=1):
        for path, module in modules[part]:
            if path == "text_projection":
                continue  # it is not trained
            name = path.removeprefix("text_model.").replace(".", "_")
            state |= _trained(f"lora_te{index}_text_model_{name}", module, ("lora_down", "lora_up"))
    return state


def easy_negative() -> dict[str, Tensor]:
    """Two vectors for toy-sd1, in the layout of A1111's web UI."""
    return {"emb_params": torch.randn(2, TOYS[0].widths[0]).half()}


def for_sdxl() -> dict[str, Tensor]:
    """Two vectors for each text encoder of toy-sdxl."""
    return {"clip_l": torch.randn(2, 32).half(), "clip_g": torch.randn(2, 64).half()}


ADDITIONS: Mapping[str, Callable[[], dict[str, Tensor]]] = {
    "toy-neon.safetensors": partial(weights, "neon"),
    "toy-lora.safetensors": kohya,
    "toy-lora-peft.safetensors": peft,
    "toy-lora-xl.safetensors": original,
    "toy-embedding.safetensors": easy_negative,
    "toy-embedding-xl.safetensors": for_sdxl,
}


def _modules(name: str) -> dict[str, list[tuple[str, nn.Linear | nn.Conv2d]]]:
    """Path and shape of each module of a toy that a LoRA may change, by part. The weights do not matter."""
    (toy,) = (toy for toy in TOYS if toy.name == name)
    parts: dict[str, nn.Module] = {"unet": nets.unet(toy)}
    for index, width in enumerate(toy.widths):
        vocabulary = len(clip_tokenizer(toy.pads[index]))
        part = f"text_encoder_{index + 1}" if index else "text_encoder"
        parts[part] = nets.text_encoder(toy, width, vocabulary, projection=index == 1)
    return {
        part: [(path, each) for path, each in net.named_modules() if isinstance(each, nn.Linear | nn.Conv2d)]
        for part, net in parts.items()
    }


def _trained(name: str, module: nn.Linear | nn.Conv2d, halves: tuple[str, str]) -> dict[str, Tensor]:
    """Matrices down and up of RANK, as if trained away from zero. Alpha is half the rank, as is common."""
    out, into, *kernel = module.weight.shape
    width = into * torch.Size(kernel).numel()
    down, up = torch.randn(RANK, into, *kernel) / width**0.5, torch.randn(out, RANK, *[1] * len(kernel))
    return {
        f"{name}.{halves[0]}.weight": down.half(),
        f"{name}.{halves[1]}.weight": (up * FELT / RANK**0.5).half(),
        f"{name}.alpha": torch.tensor(RANK / 2),
    }
