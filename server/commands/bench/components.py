"""Parts of the work by themselves: steps by batch size, the decoder, super-resolution, loading, idle time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import torch

import pipelines
from models import catalog
from models.catalog.catalog import Catalog
from models.diffusion.checkpoint import Checkpoint
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from models.kinds.upscaler import UPSCALER as UPSCALER_KIND
from models.registry.handle import ModelHandle
from models.registry.loaders import dtype_for
from models.registry.registry import Registry
from pipelines.engine.engine import Engine
from pipelines.engine.events import Advanced, Failed
from pipelines.engine.scheduling.batch_key import BatchKey
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.warmup import warm_up
from server.commands.bench.diffusers_side import Bare
from server.commands.bench.hua_side import Ours, as_task
from server.commands.bench.plan import BLOCKS, LARGE, OTHER, PAINTER, UPSCALER, Plan
from server.commands.bench.results import BenchError, Figure, idle_share, joined, ratio
from server.commands.bench.workloads import NEGATIVE, PROMPT, Workload, equal, smooth_noise
from server.images.png import write_png

MOST_ROWS = 64
CURVE_S = 60.0
ENOUGH = 1 << 40


class Recorder(Capacity):
    """Keeps all that it is told, and is never satisfied: steps are timed up to MOST_ROWS."""

    def __init__(self) -> None:
        super().__init__()
        self.timed: dict[int, list[float]] = {}
        self.full = False

    def rows(self, key: BatchKey) -> int:
        return 0 if self.full else MOST_ROWS

    def observe(self, key: BatchKey, rows: int, seconds: float) -> None:
        super().observe(key, rows, seconds)
        self.timed.setdefault(rows, []).append(seconds)

    def refuse(self, key: BatchKey, rows: int) -> None:
        self.full = True


def curve(plan: Plan, device: torch.device) -> Iterator[Figure]:
    """Seconds of one guided step by how many rows share it; images a second would be this, were there nothing else."""
    models = catalog.read(plan.models)
    for name, pixels, steps in ((PAINTER, 512, 20), (LARGE, 1024, 30)):
        if name not in {entry.name for entry in models}:
            continue
        side, steps, recorder = plan.side(pixels), plan.steps(steps), Recorder()
        with held(models, device, name) as hold:
            warm_up(hold.get(ModelRef(CHECKPOINT, name)), recorder, side, side, CURVE_S / plan.hurry / plan.scale)
        family = models.find(name).family
        for rows, (_, *samples) in recorder.timed.items():
            title = f"{family}, {side}×{side}, a step of {rows} rows"
            yield Figure.of(f"curve.{family}.step.{rows}", title, "ms", [1000 * each for each in samples])
            rate = rows / 2 / steps / median(samples)
            rated = f"{family}, {side}×{side}, {steps} steps, {rows} rows at once"
            yield Figure(name=f"curve.{family}.images.{rows}", title=rated, unit="images/s", value=rate)


def pieces(plan: Plan, device: torch.device) -> Iterator[Figure]:
    """The decoder and super-resolution, by themselves; and whether the denoiser's output is a number at all."""
    models, side = catalog.read(plan.models), plan.side(512)
    with held(models, device, PAINTER) as hold:
        checkpoint = hold.get(ModelRef(CHECKPOINT, PAINTER))
        yield _spread(checkpoint, side)
        latents = torch.randn(
            1, checkpoint.channels, side // checkpoint.vae_scale_factor, side // checkpoint.vae_scale_factor
        ).to(device)
        decoded = _timed(lambda: checkpoint.decode(latents), plan)
        yield Figure.of("pieces.decode", f"latents to pixels, {side}×{side}", "ms", decoded)
    if UPSCALER not in {entry.name for entry in models}:
        return
    picture = smooth_noise(side, side)
    with held(models, device, UPSCALER) as hold:
        net = hold.get(ModelRef(UPSCALER_KIND, UPSCALER))
        canvas = net.canvas(picture)
        larger = f"{side}×{side} to {canvas.shape[1]}×{canvas.shape[0]}"

        def enlarge() -> None:
            for _ in net.enlarge(picture, canvas):
                pass

        yield Figure.of("pieces.upscale", f"super-resolution, {larger}", "ms", _timed(enlarge, plan))
        png = _timed(lambda: write_png(canvas, {}), plan)
        yield Figure.of("pieces.png", f"PNG of {canvas.shape[1]}×{canvas.shape[0]}", "ms", png)


def swap(plan: Plan, device: torch.device) -> Iterator[Figure]:
    """Another model of the same architecture: from host memory to its first step, and as bare diffusers loads it."""
    models = catalog.read(plan.models)
    weight = max(models.find(name).bytes for name in (PAINTER, OTHER))
    registry = Registry(models, device, dtype_for(device), weight * 3 // 2, ENOUGH)
    engine = Engine(registry, Capacity())
    wish = Workload(*plan.size(512, 512, 20), seed=1)
    names = [PAINTER, OTHER] * 8
    for name in names[:4]:  # from now on both are in host memory, and steps of this shape are nothing new
        _until_first_step(engine, name, wish)
    ours, bare = [], []
    for block in range(BLOCKS):
        ours.append([_until_first_step(engine, name, wish) for name in names[: max(plan.repeats // 2, 2)]])
        bare.append([_bare_load(models, device) for _ in range(2 if block else 3)][-2:])
    registry.close()
    yield Figure.of("swap.hua", "a model from host memory to its first step: hua", "s", joined(ours))
    yield Figure.of("swap.bare", "a model from disk (cached) to the device: bare", "s", joined(bare))
    yield ratio("swap.bare/hua", "changing the model: bare / hua", bare, ours)


def idle(plan: Plan, device: torch.device) -> Iterator[Figure]:
    """The share of time in which no kernel runs while there is always work."""
    title = "device idle while it is never without work"
    if device.type != "cuda":
        yield Figure.none("idle.hua", title, "skipped: only CUDA tells when its kernels run")
        return
    models, wishes = catalog.read(plan.models), equal(plan, plan.crowd)
    ours = Ours(models, device, wishes[0], plan.learning_s)
    ours.bring()
    ours.paint_all(wishes)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        ours.paint_all(wishes)
        torch.cuda.synchronize(device)
    ours.leave()
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in profile.events() or ()
        if event.device_type.name == "CUDA"
    ]
    yield Figure(name="idle.hua", title=title, unit="%", value=100 * idle_share(spans))


@contextmanager
def held(models: Catalog, device: torch.device, name: str) -> Iterator[ModelHandle]:
    """One model on the device, and nothing else of ours."""
    registry = Registry(models, device, dtype_for(device), ENOUGH, 0)
    try:
        with registry.acquire([name]) as hold:
            while not hold.wait(60):
                pass
            yield hold
    finally:
        registry.close()


@torch.inference_mode()
def _spread(checkpoint: Checkpoint, side: int) -> Figure:
    """Weights of chance may overflow or fade to nothing, and then no time means anything."""
    positive, _ = checkpoint.encode_prompt(PROMPT.format(1), NEGATIVE, clip_skip=-1, width=side, height=side)
    shape = (1, checkpoint.in_channels, side // checkpoint.vae_scale_factor, side // checkpoint.vae_scale_factor)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(checkpoint.device)
    spread = float(checkpoint.predict(noise, torch.tensor([500.0], device=checkpoint.device), positive).std())
    if not 1e-3 < spread < 1e3:
        raise BenchError(f"the denoiser's output has a spread of {spread}, so its weights are of no use for measuring")
    return Figure(
        name="pieces.spread", title="spread of the denoiser's output (of order 1: sound)", unit="", value=spread
    )


def _timed(work: Callable[[], object], plan: Plan) -> list[float]:
    """Milliseconds of each go; `work` ends with its result in host memory."""
    for _ in range(min(plan.warm_ups, 3)):
        work()
    samples = []
    for _ in range(plan.repeats):
        began = time.perf_counter()
        work()
        samples.append(1000 * (time.perf_counter() - began))
    return samples


def _until_first_step(engine: Engine, model: str, wish: Workload) -> float:
    kind, params, _ = as_task(Workload(wish.width, wish.height, wish.steps, wish.seed, model=model))
    began = time.perf_counter()
    engine.add(model, pipelines.find(kind), params, {})
    while True:
        for event in engine.step():
            if isinstance(event, Failed):
                raise BenchError(f"{event.message}\n{event.trace}")
            if isinstance(event, Advanced):
                if torch.cuda.is_available():
                    torch.cuda.synchronize()  # the step is only launched
                seconds = time.perf_counter() - began
                engine.abort(model)
                return seconds


def _bare_load(models: Catalog, device: torch.device) -> float:
    side = Bare(models.find(PAINTER), device)
    began = time.perf_counter()
    side.bring()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - began
    side.leave()
    return seconds
