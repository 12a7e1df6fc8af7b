"""The cost of the engine and the gain of its batching, with the toy checkpoint on this CPU.

    python -m benchmarks.engine [MODELS_DIR]

prints one table: an image by the engine against a plain loop over the same calls, and sixteen different requests by the
engine against the same sixteen by diffusers, one after another. The two variants of a row alternate and the best round
counts, so that other load on the machine affects both or neither.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from diffusers import StableDiffusionPipeline

from models import catalog
from models.conditioning import Conditioning
from models.diffusion.checkpoint import Checkpoint
from models.kinds.kind import AnyModelRef
from models.registry import loaders
from models.toy.build import build
from pipelines.engine.engine import Engine
from pipelines.engine.events import Failed
from pipelines.engine.sampling import samplers
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.warmup import warm_up
from pipelines.sampler_names import SAMPLERS
from pipelines.txt2img import Txt2Img, Txt2ImgParams

MODEL = "toy-sd1"
SIZE = 512
MIXED_SIZES = (128, 256)
STEPS = 20
ROUNDS = 3
TXT2IMG = Txt2Img()


class FixedModel:
    """Provides the measured checkpoint, always ready."""

    ready = True
    entries = ()

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint

    def acquire(self, models: Iterable[AnyModelRef]) -> FixedModel:
        return self

    def get(self, ref: AnyModelRef) -> Any:
        return self._checkpoint

    def release(self) -> None: ...


def single() -> Txt2ImgParams:
    return Txt2ImgParams(text="a lighthouse", model=MODEL, seed=1, num_steps=STEPS, w=SIZE, h=SIZE)


def mixed(size: int) -> list[Txt2ImgParams]:
    """Sixteen requests with 16 samplers, 10 to 25 steps and different guidance scales; every fourth has no guidance."""
    return [
        Txt2ImgParams(
            text=f"a lighthouse, number {index}",
            model=MODEL,
            seed=index,
            num_steps=10 + index,
            sampler=SAMPLERS[index],
            guidance_scale=1.0 if index % 4 == 3 else 4.0 + index / 2,
            w=size,
            h=size,
        )
        for index in range(16)
    ]


def run_engine(engine: Engine, requests: Iterable[Txt2ImgParams]) -> None:
    for index, params in enumerate(requests):
        engine.add(str(index), TXT2IMG, params, {})
    while engine.busy:
        for event in engine.step():
            if isinstance(event, Failed):
                raise SystemExit(event.trace)


@torch.inference_mode()
def run_plain_loop(checkpoint: Checkpoint, params: Txt2ImgParams) -> None:
    """Runs only the model's own work for one guided image."""
    positive, negative = checkpoint.encode_prompt(
        params.text, params.negative, clip_skip=-1, width=params.w, height=params.h
    )
    assert negative is not None
    both = Conditioning(torch.cat([negative.embeds, positive.embeds]))
    shape = (1, checkpoint.channels, params.h // checkpoint.vae_scale_factor, params.w // checkpoint.vae_scale_factor)
    latents = torch.randn(shape)
    for step in range(params.num_steps):
        timesteps = torch.full((2,), 999.0 - step)
        checkpoint.predict(latents.repeat(2, 1, 1, 1), timesteps, both)
    checkpoint.decode(latents)


def run_diffusers(pipe: StableDiffusionPipeline, config: dict[str, object], requests: Iterable[Txt2ImgParams]) -> None:
    for params in requests:
        pipe.scheduler = samplers.scheduler_for(config, params.sampler, params.sigmas)
        pipe(
            params.text,
            negative_prompt=params.negative_prompt,
            num_inference_steps=params.num_steps,
            guidance_scale=params.guidance_scale,
            width=params.w,
            height=params.h,
            generator=torch.Generator().manual_seed(params.seed),
        )


def best_seconds(*variants: Callable[[], None]) -> list[float]:
    """The best time of each variant, in seconds, over alternating rounds; the first round does not count."""
    best = [float("inf")] * len(variants)
    for round_ in range(ROUNDS + 1):
        for index, variant in enumerate(variants):
            started = time.perf_counter()
            variant()
            if round_:
                best[index] = min(best[index], time.perf_counter() - started)
    return best


def run_with_toys(measure: Callable[[Path], None]) -> None:
    """Builds the toys in the folder named on the command line, or in a temporary one, and measures there."""
    with nullcontext(sys.argv[1]) if len(sys.argv) > 1 else tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        measure(Path(folder))


def load_checkpoint(folder: Path) -> Checkpoint:
    model = loaders.load(catalog.read(folder).find(MODEL), torch.device("cpu"), torch.float32)
    return cast(Checkpoint, model)


def measure(folder: Path) -> None:
    checkpoint = load_checkpoint(folder)
    pipe = StableDiffusionPipeline.from_pretrained(folder / MODEL, safety_checker=None, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    config, capacity = dict(pipe.scheduler.config), Capacity()
    engine = Engine(FixedModel(checkpoint), capacity)

    print(f"{MODEL}, {torch.get_num_threads()} threads, seconds, best of {ROUNDS}")
    print(f"{'':44} {'engine':>8} {'other':>8} {'ratio':>16}")
    engine_s, plain_s = best_seconds(
        partial(run_engine, engine, [single()]), partial(run_plain_loop, checkpoint, single())
    )
    label = f"one of {SIZE}², {STEPS} steps, against a plain loop"
    print(f"{label:44} {engine_s:8.3f} {plain_s:8.3f} {engine_s / plain_s:10.3f}× time")
    for size in MIXED_SIZES:
        warm_up(checkpoint, capacity, size, size)
        engine_s, diffusers_s = best_seconds(
            partial(run_engine, engine, mixed(size)), partial(run_diffusers, pipe, config, mixed(size))
        )
        label = f"16 different of {size}², against diffusers in turn"
        print(f"{label:44} {engine_s:8.3f} {diffusers_s:8.3f} {diffusers_s / engine_s:9.2f}× images")


if __name__ == "__main__":
    run_with_toys(measure)
