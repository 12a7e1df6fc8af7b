"""Gain and loss of the performance options: operations at full size, similarity on the toys. Needs no GPU.

    python -m benchmarks.levers [MODELS_DIR]

counts the floating-point operations and the kernel launches (`benchmarks.traffic`) of one guided image of SD 1.5,
512×512 in 20 steps, on the meta device, with each option and without. It also generates eight images with toy-sd1, with
each option and without, and measures their difference as PSNR (peak signal to noise ratio). The counts are not times,
and toy images are not photographs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, AutoencoderTiny, UNet2DConditionModel
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.determinism import generate, psnr
from benchmarks.engine import run_with_toys
from benchmarks.traffic import Traffic
from models import catalog
from models.patches.deep_cache import FEATURES, cached_deep_features, capture_deep_features
from models.patches.token_merging import TokenMerging, merge_tokens
from models.registry.registry import Registry
from models.weights import CONFIGS
from pipelines.engine.engine import Engine
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.txt2img import Txt2ImgParams

META = torch.device("meta")
TERA = 1e12
STEPS = 20
OPTIONS: Mapping[str, dict[str, Any]] = {
    "`deep_cache` 2": {"deep_cache": 2},
    "`deep_cache` 3": {"deep_cache": 3},
    "`deep_cache` 5": {"deep_cache": 5},
    "`guidance_interval` [0.1, 0.8]": {"guidance_interval": (0.1, 0.8)},
    "`tome_info`, ratio 0.5": {"tome_info": {"enable": True}},
    "`decoder` tiny": {"decoder": "tiny"},
    "`num_steps` 10, for comparison": {"num_steps": 10},
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


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one image, or of a part of it."""

    tera: float = 0.0
    """Floating-point operations, in TFLOP."""
    launches: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.tera + other.tera, self.launches + other.launches)


class FullSize:
    """The parts of SD 1.5 at 512×512: steps with guidance (two rows) and without (one row), and decoders."""

    def __init__(self) -> None:
        with META:
            self._unet = UNet2DConditionModel.from_config(_config("unet")).eval()
            decoder, tiny = AutoencoderKL.from_config(_config("vae")).decoder, AutoencoderTiny().decoder
            latents = torch.empty(1, 4, 64, 64)
        self.parts: dict[str, Cost] = {}
        for rows, kind in ((2, "guided"), (1, "unguided")):
            self.parts |= {f"{kind} {name}": cost for name, cost in self._steps(rows).items()}
        self.parts |= {
            "decoder full": count(lambda: decoder(latents)),
            "decoder tiny": count(lambda: tiny(latents)),
        }

    def _steps(self, rows: int) -> dict[str, Cost]:
        with META:
            latents, time, text = torch.empty(rows, 4, 64, 64), torch.empty(rows), torch.empty(rows, 77, 768)
        unet, features = self._unet, dict[str, Tensor]()
        costs = {"step": count(lambda: unet(latents, time, text))}
        with capture_deep_features(unet, features):
            unet(latents, time, text)
        with cached_deep_features(unet, features[FEATURES]):
            costs["cached step"] = count(lambda: unet(latents, time, text))
        with merge_tokens(unet, TokenMerging(), (64, 64), time):
            costs["merged step"] = count(lambda: unet(latents, time, text))
        return costs

    def image(self, params: Txt2ImgParams) -> Cost:
        """The cost of one image."""
        begin, end = params.guidance_interval
        full = "merged step" if params.tome_info else "step"
        total = self.parts[f"decoder {params.decoder}"]
        for index in range(params.num_steps):
            guided = begin <= index / params.num_steps and (index + 1) / params.num_steps <= end
            kind = "cached step" if index % params.deep_cache else full
            total += self.parts[f"{'guided' if guided else 'unguided'} {kind}"]
        return total


def count(body: Callable[[], object]) -> Cost:
    with FlopCounterMode(display=False) as counter:
        body()
    with Traffic() as traffic:
        body()
    return Cost(counter.get_total_flops() / TERA, traffic.launches)


def requests(**options: Any) -> list[Txt2ImgParams]:
    common: dict[str, Any] = {"model": "toy-sd1", "w": 128, "h": 128, "num_steps": STEPS, "guidance_scale": 5.0}
    return [Txt2ImgParams(text=text, seed=seed, **{**common, **options}) for seed, text in enumerate(PROMPTS)]


@torch.inference_mode()
def measure(folder: Path) -> None:
    registry = Registry(catalog.read(folder), torch.device("cpu"), torch.float32, 1 << 40, 0)
    full_size, engine = FullSize(), Engine(registry, Capacity())
    versions = f"torch {torch.__version__}, diffusers {diffusers.__version__}"
    print(f"{versions}; SD 1.5, 512×512; toy-sd1, 128×128; {STEPS} steps")
    print("| part | TFLOP | launches |\n|---|---|---|")
    for name, cost in full_size.parts.items():
        print(f"| {name} | {cost.tera:.3f} | {cost.launches} |")
    baseline, baseline_cost = generate(engine, requests()), full_size.image(requests()[0])
    print("\n| option | operations | launches | PSNR, dB: minimum | median |\n|---|---|---|---|---|")
    print(f"| none | {baseline_cost.tera:.1f} TFLOP | {baseline_cost.launches} | | |")
    for name, options in OPTIONS.items():
        cost = full_size.image(requests(**options)[0])
        cost_cells = f"{cost.tera / baseline_cost.tera:.0%} | {cost.launches / baseline_cost.launches:.0%}"
        values = list(map(psnr, baseline, generate(engine, requests(**options))))
        print(f"| {name} | {cost_cells} | {min(values):.1f} | {median(values):.1f} |", flush=True)
    registry.close()


def _config(part: str) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((CONFIGS / "sd1" / part / "config.json").read_text())
    return config


if __name__ == "__main__":
    run_with_toys(measure)
