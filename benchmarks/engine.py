"""What the engine costs and what its batching gains, on the toy checkpoint and this machine's processor.

    python -m benchmarks.engine [MODELS_DIR]

prints one table: an image by the engine against a bare loop over the same calls, and sixteen unlike requests by the
engine against the same sixteen by diffusers, one after another. The two sides of a row take turns and the best round
counts, so that whatever else the machine does hits both or none.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

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
SIDE = 512
MIXED_SIDES = (128, 256)
STEPS = 20
ROUNDS = 3
TXT2IMG = Txt2Img()


class Resident:
    """The one checkpoint that is measured, always ready."""

    ready = True

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint

    def acquire(self, models: Iterable[AnyModelRef]) -> Resident:
        return self

    def get(self, ref: AnyModelRef) -> Any:
        return self._checkpoint

    def release(self) -> None: ...


def single() -> Txt2ImgParams:
    return Txt2ImgParams(text="a lighthouse", model=MODEL, seed=1, num_steps=STEPS, w=SIDE, h=SIDE)


def mixed(side: int) -> list[Txt2ImgParams]:
    """Sixteen samplers, 10 to 25 steps, guidance of sixteen strengths and, every fourth time, none."""
    return [
        Txt2ImgParams(
            text=f"a lighthouse, number {index}",
            model=MODEL,
            seed=index,
            num_steps=10 + index,
            sampler=SAMPLERS[index],
            guidance_scale=1.0 if index % 4 == 3 else 4.0 + index / 2,
            w=side,
            h=side,
        )
        for index in range(16)
    ]


def by_engine(engine: Engine, wishes: Iterable[Txt2ImgParams]) -> None:
    for index, params in enumerate(wishes):
        engine.add(str(index), TXT2IMG, params, {})
    while engine.busy:
        for event in engine.step():
            if isinstance(event, Failed):
                raise SystemExit(event.trace)


@torch.inference_mode()
def by_bare_loop(checkpoint: Checkpoint, params: Txt2ImgParams) -> None:
    """The model's own work for one guided image, and nothing else."""
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


def by_diffusers(pipe: StableDiffusionPipeline, config: dict[str, object], wishes: Iterable[Txt2ImgParams]) -> None:
    for params in wishes:
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


def in_turns(*sides: Callable[[], None]) -> list[float]:
    """The best seconds of each side over some rounds, after one that does not count."""
    best = [float("inf")] * len(sides)
    for round_ in range(ROUNDS + 1):
        for index, side in enumerate(sides):
            started = time.perf_counter()
            side()
            if round_:
                best[index] = min(best[index], time.perf_counter() - started)
    return best


def among_toys(measure: Callable[[Path], None]) -> None:
    """Measures in the folder of models that the command line names, or in one that is gone afterwards."""
    with nullcontext(sys.argv[1]) if len(sys.argv) > 1 else tempfile.TemporaryDirectory() as folder:
        build(Path(folder))
        measure(Path(folder))


def measure(folder: Path) -> None:
    checkpoint = loaders.load(catalog.read(folder).find(MODEL), torch.device("cpu"), torch.float32)
    pipe = StableDiffusionPipeline.from_pretrained(folder / MODEL, safety_checker=None, local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    config, capacity = dict(pipe.scheduler.config), Capacity()
    engine = Engine(Resident(checkpoint), capacity)

    print(f"{MODEL}, {torch.get_num_threads()} threads, seconds, best of {ROUNDS}")
    print(f"{'':44} {'engine':>8} {'other':>8} {'ratio':>16}")
    ours, bare = in_turns(partial(by_engine, engine, [single()]), partial(by_bare_loop, checkpoint, single()))
    print(
        f"{f'one of {SIDE}², {STEPS} steps, against a bare loop':44} {ours:8.3f} {bare:8.3f} {ours / bare:10.3f}× time"
    )
    for side in MIXED_SIDES:
        warm_up(checkpoint, capacity, side, side)
        ours, alone = in_turns(
            partial(by_engine, engine, mixed(side)), partial(by_diffusers, pipe, config, mixed(side))
        )
        label = f"16 unlike of {side}², against diffusers in turn"
        print(f"{label:44} {ours:8.3f} {alone:8.3f} {alone / ours:9.2f}× images")


if __name__ == "__main__":
    among_toys(measure)
