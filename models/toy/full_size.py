"""Checkpoints of full size with random weights, for benchmarks: speed does not depend on what nets have learnt.

`python -m models.toy.full_size DIR [DEVICE]` fills DIR with `sd1`, `sdxl` and `canny`, diffusers folders in half
precision of the architectures of Stable Diffusion 1.5, SDXL and a ControlNet, and `esrgan.safetensors`, a Real-ESRGAN
×4: about 10 GB. Nothing is learnt, so pictures show noise; nothing overflows either. Weights are made on DEVICE, where
that is faster.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
from safetensors.torch import save_file
from spandrel.architectures.ESRGAN import ESRGAN
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from models.toy.tokenizer import clip_tokenizer
from models.weights import CONFIGS

FAINT = 0.02
"""Spread of weights that start at zero before they are trained, as those that join a ControlNet to its denoiser do."""


def build(folder: Path, device: torch.device) -> None:
    """Builds the missing checkpoints in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with torch.device(device), torch.random.fork_rng():
        torch.manual_seed(0)
        for family, pads in (("sd1", ["<|endoftext|>"]), ("sdxl", ["<|endoftext|>", "!"])):
            if not (folder / family).exists():
                _save_checkpoint(family, pads, folder / family)
        if not (folder / "canny").exists():
            _save_controlnet(folder / "canny")
        if not (folder / "esrgan.safetensors").exists():
            net = ESRGAN(in_nc=3, out_nc=3, num_filters=64, num_blocks=23, scale=4)
            tensors = {name: tensor.half().cpu().contiguous() for name, tensor in net.state_dict().items()}
            save_file(tensors, folder / "esrgan.safetensors")


def _save_checkpoint(family: str, pads: list[str], folder: Path) -> None:
    UNet2DConditionModel.from_config(_config(family, "unet")).half().save_pretrained(folder / "unet")
    AutoencoderKL.from_config(_config(family, "vae")).half().save_pretrained(folder / "vae")
    for index, pad in enumerate(pads):
        suffix = f"_{index + 1}" if index else ""
        tokenizer = clip_tokenizer(pad)
        tokenizer.save_pretrained(folder / f"tokenizer{suffix}")
        config = _config(family, f"text_encoder{suffix}")
        _text_encoder(config, tokenizer).half().save_pretrained(folder / f"text_encoder{suffix}")
    scheduler = json.dumps(_config(family, "scheduler"))
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(scheduler, encoding="utf-8")
    (folder / "model_index.json").write_text("{}", encoding="utf-8")


def _text_encoder(config: Mapping[str, Any], tokenizer: CLIPTokenizer) -> Any:
    """Of full size, though the tokenizer has fewer words."""
    marks = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    projects = config["architectures"] == ["CLIPTextModelWithProjection"]
    kind = CLIPTextModelWithProjection if projects else CLIPTextModel
    return kind(CLIPTextConfig.from_dict({**config, **marks}))


def _save_controlnet(folder: Path) -> None:
    with torch.device("meta"):
        denoiser = UNet2DConditionModel.from_config(_config("sd1", "unet"))
    net = ControlNetModel.from_unet(denoiser, load_weights_from_unet=False)
    for weights in net.parameters():
        if not weights.any():
            nn.init.normal_(weights, std=FAINT)
    net.half().save_pretrained(folder)


def _config(family: str, part: str) -> dict[str, Any]:
    name = "scheduler_config.json" if part == "scheduler" else "config.json"
    config: dict[str, Any] = json.loads((CONFIGS / family / part / name).read_text(encoding="utf-8"))
    return config


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python -m models.toy.full_size DIR [DEVICE]")
    build(Path(sys.argv[1]), torch.device(*sys.argv[2:] or ["cpu"]))
