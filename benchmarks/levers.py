"""What the levers give and what they take: arithmetic at full size, likeness on the toys. No GPU needed.

    python -m benchmarks.levers [MODELS_DIR]

counts the floating-point operations of one guided picture of SD 1.5, 512×512 in 20 steps, on the meta device, with each
lever and without; and paints eight pictures with toy-sd1, with each lever and without, to tell by PSNR (peak signal to
noise ratio) how unlike it makes them. Operations are not time, and toys are no photographs.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from statistics import median
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.determinism import made, psnr
from models import catalog
from models.deep_cache import Deep, keeping, shallow
from models.registry import Registry
from models.tome import TokenMerging, merging
from models.toy.build import build
from models.weights import CONFIGS
from pipelines.engine.capacity import Capacity
from pipelines.engine.engine import Engine
from pipelines.txt2img import Txt2ImgParams

META = torch.device("meta")
TERA = 1e12
STEPS = 20
LEVERS: Mapping[str, dict[str, Any]] = {
    "`deep_cache` 2": {"deep_cache": 2},
    "`deep_cache` 3": {"deep_cache": 3},
    "`deep_cache` 5": {"deep_cache": 5},
    "`guidance_interval` [0.1, 0.8]": {"guidance_interval": (0.1, 0.8)},
    "`tome_info`, ratio 0.5": {"tome_info": {"enable": True}},
    "`decoder` tiny": {"decoder": "tiny"},
    "`num_steps` 10, to compare": {"num_steps": 10},
}
PROMPTS = (
    "a red house on the grass",
    "a blue car on a white background",
    "a yellow star at night",
    "a green cat on a pink background",
    "a purple fish by the sea",
    "a brown tree on a gray background",
    "a yellow sun at the top and a white boat at the bottom, by the sea",
    "a line drawing of a red cat",
)


class FullSize:
    """Operations of the parts of SD 1.5 at 512×512, in TFLOP; a step is of one row."""

    def __init__(self) -> None:
        with META:
            unet = UNet2DConditionModel.from_config(_config("unet")).eval()
            decoder, tiny = AutoencoderKL.from_config(_config("vae")).decoder, AutoencoderTiny().decoder
            latents, time, text = torch.empty(1, 4, 64, 64), torch.empty(1), torch.empty(1, 77, 768)
        deep = Deep()
        self.step = counted(lambda: unet(latents, time, text))
        with keeping(unet, deep):
            unet(latents, time, text)
        features = deep.features
        assert features is not None
        self.shallow = counted(lambda: shallow(unet, latents, time, text, {}, features, ()))
        with merging(unet, TokenMerging(), (64, 64), time):
            self.merged = counted(lambda: unet(latents, time, text))
        self.decode, self.tiny = counted(lambda: decoder(latents)), counted(lambda: tiny(latents))

    def picture(self, params: Txt2ImgParams) -> float:
        """TFLOP of one: two rows a step, one where it is not guided."""
        begin, end = params.guidance_interval
        whole = self.merged if params.tome_info else self.step
        total = self.tiny if params.decoder == "tiny" else self.decode
        for index in range(params.num_steps):
            guided = begin <= index / params.num_steps and (index + 1) / params.num_steps <= end
            total += (2 if guided else 1) * (self.shallow if index % params.deep_cache else whole)
        return total


def counted(body: Callable[[], object]) -> float:
    with FlopCounterMode(display=False) as counter:
        body()
    return counter.get_total_flops() / TERA


def wishes(**lever: Any) -> list[Txt2ImgParams]:
    common: dict[str, Any] = {"model": "toy-sd1", "w": 128, "h": 128, "num_steps": STEPS, "guidance_scale": 5.0}
    return [Txt2ImgParams(text=text, seed=seed, **{**common, **lever}) for seed, text in enumerate(PROMPTS)]


@torch.inference_mode()
def measure(folder: Path) -> None:
    build(folder)
    registry = Registry(catalog.read(folder), torch.device("cpu"), torch.float32, 1 << 40, 0)
    size, engine = FullSize(), Engine(registry, Capacity())
    parts = ", ".join(f"{name} {getattr(size, name):.3f}" for name in ("step", "shallow", "merged", "decode", "tiny"))
    print(
        f"torch {torch.__version__}, diffusers {diffusers.__version__}; TFLOP at full size, steps of one row: {parts}"
    )
    plain, without = made(engine, wishes()), size.picture(wishes()[0])
    print("| lever | operations | PSNR, dB: least | median |\n|---|---|---|---|")
    print(f"| none | 100 % ({without:.1f} TFLOP) | | |")
    for name, lever in LEVERS.items():
        share = size.picture(wishes(**lever)[0]) / without
        values = list(map(psnr, plain, made(engine, wishes(**lever))))
        print(f"| {name} | {share:.0%} | {min(values):.1f} | {median(values):.1f} |", flush=True)
    registry.close()


def _config(part: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((CONFIGS / "sd1" / part / "config.json").read_text())
    return config


if __name__ == "__main__":
    with nullcontext(sys.argv[1]) if len(sys.argv) > 1 else tempfile.TemporaryDirectory() as folder:
        measure(Path(folder))
