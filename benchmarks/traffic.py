"""Kernel launches and memory traffic of one guided step of SD 1.5 at 512×512, counted without a GPU.

    python -m benchmarks.traffic

runs a full-size step on the meta device, where tensors have shapes but no data, as a plain diffusers loop and as the
engine does. Each operation that is not a view counts as one launch, with the bytes that it reads and writes. Fused
attention is one operation, so data that stays on the chip is not counted. Traffic is not time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import diffusers
import torch
from diffusers import EulerDiscreteScheduler, UNet2DConditionModel
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from models.compiled.static_weights import StaticWeights
from models.conditioning import Conditioning, Prompts
from models.diffusion.checkpoint import Checkpoint
from models.noise import SeededNoise
from models.patches.cross_attention_cache import cached_cross_attention, keys_and_values, text_layers
from models.weights import CONFIGS
from pipelines.engine.execution.batch_rows import Rows
from pipelines.engine.execution.step import Step
from pipelines.engine.trajectory import Trajectory
from pipelines.pipeline import Denoise

META = torch.device("meta")
SIDE, STEPS = 512, 20
GB = 1e9


class Traffic(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts operations that are not views, and the bytes that they read and write."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.launches = self.bytes = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        output = function(*args, **(kwargs or {}))
        inputs = [each for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)]
        results = [each for each in tree_leaves(output) if isinstance(each, Tensor)]
        # torch has no public way to ask for the storage behind a tensor, or for an operation's schema.
        storages = {each.untyped_storage()._cdata for each in inputs}
        writes = any(each.alias_info and each.alias_info.is_write for each in function._schema.arguments)
        if writes or any(each.untyped_storage()._cdata not in storages for each in results):
            self.launches += 1
            self.bytes += sum(each.nbytes for each in inputs + results if each.device == META)
        return output


@dataclass
class FullSizeCheckpoint:
    """A stand-in for a checkpoint of SD 1.5 without data: what the engine needs for a step."""

    unet: UNet2DConditionModel
    name, family, device, dtype = "full", "sd1", META, torch.float16
    channels, in_channels, vae_scale_factor = 4, 4, 8
    patches = adapters = ()

    def __post_init__(self) -> None:
        self.static = StaticWeights(self.unet)
        self.layers = text_layers(self.unet)
        self.scheduler_config = scheduler().config

    def merge(self) -> None: ...

    def encode(self, *_: Any, **__: Any) -> Tensor:
        raise NotImplementedError("no image is encoded here")

    def with_cached_kv(self, conditioning: Conditioning) -> Conditioning:
        return replace(conditioning, cached_kv=tuple(keys_and_values(self.layers, conditioning.embeds)))

    def predict(self, latents: Tensor, timesteps: Tensor, conditioning: Conditioning, **_: Any) -> Tensor:
        with cached_cross_attention(self.layers, conditioning.cached_kv):
            output: Tensor = self.unet(latents, timesteps, conditioning.embeds, return_dict=False)[0]
        return output


def scheduler() -> EulerDiscreteScheduler:
    return EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")


def embeds(rows: int) -> Tensor:
    return torch.zeros(rows, 77, 768, dtype=torch.float16, device=META)


def count(body: Callable[[], object]) -> Traffic:
    traffic = Traffic()
    with traffic:
        body()
    return traffic


def diffusers_step(unet: UNet2DConditionModel, images: int) -> Traffic:
    """A step as the pipelines of diffusers run it."""
    euler, text = scheduler(), embeds(2 * images)
    euler.set_timesteps(STEPS)
    latents = torch.zeros(images, 4, SIDE // 8, SIDE // 8, dtype=torch.float16, device=META)

    def step() -> None:
        timestep = euler.timesteps[0]
        scaled = euler.scale_model_input(torch.cat([latents] * 2), timestep)
        negative, positive = unet(scaled, timestep, text, return_dict=False)[0].chunk(2)
        euler.step(negative + 7.5 * (positive - negative), timestep, latents, return_dict=False)

    return count(step)


def engine_step(checkpoint: FullSizeCheckpoint, images: int) -> tuple[Traffic, Traffic]:
    """The step itself, which a CUDA graph holds, and what is launched outside the graph at each step."""
    prompts = (Prompts((Conditioning(embeds(1)),), Conditioning(embeds(1))),)
    request = Denoise(cast(Checkpoint, checkpoint), prompts, SeededNoise(0), SIDE, SIDE, STEPS, "euler")
    rows = Rows.of([Trajectory(replace(request, noise=SeededNoise(seed))) for seed in range(images)])
    step = Step(len(rows), len(rows))
    step.load(rows)
    outside = count(lambda: step.load(rows))
    return count(lambda: step.run(rows)), outside


@torch.inference_mode()
def main() -> None:
    config = json.loads((CONFIGS / "sd1" / "unet" / "config.json").read_text())
    with META:
        unet = UNet2DConditionModel.from_config(config).half().eval()
    checkpoint = FullSizeCheckpoint(unet)
    print(f"torch {torch.__version__}, diffusers {diffusers.__version__}; SD 1.5, {SIDE}², float16, one guided step")
    print("| images | | operations | GB |\n|---|---|---|---|")
    for images in (1, 4, 8):
        eager, (step, outside) = diffusers_step(unet, images), engine_step(checkpoint, images)
        print(f"| {images} | diffusers | {eager.launches} | {eager.bytes / GB:.2f} |")
        print(f"| {images} | engine, not captured | {step.launches + outside.launches} | {_sum(step, outside):.2f} |")
        # Plus the graph itself and two copies of its output.
        print(f"| {images} | engine, captured | {outside.launches + 3} | {_sum(step, outside):.2f} |")


def _sum(*parts: Traffic) -> float:
    return sum(part.bytes for part in parts) / GB


if __name__ == "__main__":
    main()
