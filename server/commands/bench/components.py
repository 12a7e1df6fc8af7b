"""Single components: steps by batch size, the decoder, super-resolution, model loading, idle time."""

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
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.execution.graph_capture import capture_on
from pipelines.engine.scheduling.batch_key import BatchKey
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.warmup import warm_up
from server.commands.bench.diffusers_side import DiffusersSide
from server.commands.bench.hua_side import HuaSide, to_task
from server.commands.bench.plan import BLOCKS, LARGE, MAIN, OTHER, UPSCALER, Plan
from server.commands.bench.results import BenchError, Figure, idle_fraction, join_blocks, ratio
from server.commands.bench.workloads import NEGATIVE, PROMPT, Workload, equal_workloads, smooth_noise
from server.images.png import write_png

MAX_ROWS = 64
CURVE_S = 60.0
ENOUGH = 1 << 40


class Recorder(Capacity):
    """Records all step times, and always asks for larger batches, up to MAX_ROWS."""

    def __init__(self) -> None:
        super().__init__()
        self.timed: dict[int, list[float]] = {}
        self.full = False

    def rows(self, key: BatchKey) -> int:
        return 0 if self.full else MAX_ROWS

    def observe(self, key: BatchKey, rows: int, seconds: float) -> None:
        super().observe(key, rows, seconds)
        self.timed.setdefault(rows, []).append(seconds)

    def refuse(self, key: BatchKey, rows: int) -> None:
        self.full = True


def curve(plan: Plan, device: torch.device) -> Iterator[Figure]:
    """Time of one guided step by its number of rows, and the images per second if steps were the only work."""
    models = catalog.read(plan.models)
    for name, pixels, steps in ((MAIN, 512, 20), (LARGE, 1024, 30)):
        if name not in {entry.name for entry in models}:
            continue
        side, steps, recorder = plan.scaled(pixels), plan.steps(steps), Recorder()
        with loaded_model(models, device, name) as handle:
            checkpoint, graphs = handle.get(ModelRef(CHECKPOINT, name)), Graphs(capture_on(device))
            warm_up(checkpoint, recorder, side, side, CURVE_S / plan.hurry / plan.scale, graphs=graphs)
        family = models.find(name).family
        for rows, (_, *samples) in recorder.timed.items():
            title = f"{family}, {side}×{side}, a step of {rows} rows"
            yield Figure.of(f"curve.{family}.step.{rows}", title, "ms", [1000 * seconds for seconds in samples])
            rate = rows / 2 / steps / median(samples)
            rated = f"{family}, {side}×{side}, {steps} steps, {rows} rows at once"
            yield Figure(name=f"curve.{family}.images.{rows}", title=rated, unit="images/s", value=rate)


def pieces(plan: Plan, device: torch.device) -> Iterator[Figure]:
    """The decoder and super-resolution alone; also checks that the denoiser's output is usable."""
    models, side = catalog.read(plan.models), plan.scaled(512)
    with loaded_model(models, device, MAIN) as handle:
        checkpoint = handle.get(ModelRef(CHECKPOINT, MAIN))
        yield _spread(checkpoint, side)
        latents = torch.randn(
            1, checkpoint.channels, side // checkpoint.vae_scale_factor, side // checkpoint.vae_scale_factor
        ).to(device)
        decoded = _timed(lambda: checkpoint.decode(latents), plan)
        yield Figure.of("pieces.decode", f"latents to pixels, {side}×{side}", "ms", decoded)
    if UPSCALER not in {entry.name for entry in models}:
        return
    pixels = smooth_noise(side, side)
    with loaded_model(models, device, UPSCALER) as handle:
        net = handle.get(ModelRef(UPSCALER_KIND, UPSCALER))
        canvas = net.canvas(pixels)
        larger = f"{side}×{side} to {canvas.shape[1]}×{canvas.shape[0]}"

        def enlarge() -> None:
            for _ in net.enlarge(pixels, canvas):
                pass

        yield Figure.of("pieces.upscale", f"super-resolution, {larger}", "ms", _timed(enlarge, plan))
        png = _timed(lambda: write_png(canvas, {}), plan)
        yield Figure.of("pieces.png", f"PNG of {canvas.shape[1]}×{canvas.shape[0]}", "ms", png)


def swap(plan: Plan, device: torch.device) -> Iterator[Figure]:
    """Change to another model of the same architecture: by the engine from host memory, by diffusers from disk."""
    models = catalog.read(plan.models)
    weight = max(models.find(name).bytes for name in (MAIN, OTHER))
    registry = Registry(models, device, dtype_for(device), weight * 3 // 2, ENOUGH)
    graphs = Graphs(capture_on(device))
    engine = Engine(registry, Capacity(), graphs=graphs)
    workload = Workload(*plan.size(512, 512, 20), seed=1)
    names = [MAIN, OTHER] * 8
    for name in names[:4]:  # afterwards both models are in host memory, and steps of this shape are captured
        _until_first_step(engine, name, workload)
    captured = graphs.captured
    hua, bare = [], []
    for block in range(BLOCKS):
        hua.append([_until_first_step(engine, name, workload) for name in names[: max(plan.repeats // 2, 2)]])
        bare.append([_bare_load(models, device) for _ in range(2 if block else 3)][-2:])
    registry.close()
    if graphs.capture is not None:
        title = "graphs captured again when the model changes"
        yield Figure(name="swap.recaptured", title=title, unit="", value=graphs.captured - captured)
    yield Figure.of("swap.hua", "a model from host memory to its first step: hua", "s", join_blocks(hua))
    yield Figure.of("swap.bare", "a model from disk (cached) to the device: bare", "s", join_blocks(bare))
    yield ratio("swap.bare/hua", "changing the model: bare / hua", bare, hua)


def idle(plan: Plan, device: torch.device) -> Iterator[Figure]:
    """The fraction of time in which no kernel runs, although there is always work."""
    title = "device idle under constant load"
    if device.type != "cuda":
        yield Figure.missing("idle.hua", title, "skipped: only CUDA reports when its kernels run")
        return
    models, workloads = catalog.read(plan.models), equal_workloads(plan, plan.crowd)
    hua = HuaSide(models, device, workloads[0], plan.learning_s)
    hua.load()
    hua.generate_all(workloads)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        hua.generate_all(workloads)
        torch.cuda.synchronize(device)
    hua.unload()
    spans = [
        (event.time_range.start, event.time_range.end)
        for event in profile.events() or ()
        if event.device_type.name == "CUDA"
    ]
    yield Figure(name="idle.hua", title=title, unit="%", value=100 * idle_fraction(spans))


@contextmanager
def loaded_model(models: Catalog, device: torch.device, name: str) -> Iterator[ModelHandle]:
    """Loads one model, as the only one on the device."""
    registry = Registry(models, device, dtype_for(device), ENOUGH, 0)
    try:
        with registry.acquire([name]) as handle:
            while not handle.wait(60):
                pass
            yield handle
    finally:
        registry.close()


@torch.inference_mode()
def _spread(checkpoint: Checkpoint, side: int) -> Figure:
    """Random weights may overflow or vanish; measured times would then mean nothing."""
    positive, _ = checkpoint.encode_prompt(PROMPT.format(1), NEGATIVE, clip_skip=-1, width=side, height=side)
    shape = (1, checkpoint.in_channels, side // checkpoint.vae_scale_factor, side // checkpoint.vae_scale_factor)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(checkpoint.device)
    spread = float(checkpoint.predict(noise, torch.tensor([500.0], device=checkpoint.device), positive).std())
    if not 1e-3 < spread < 1e3:
        raise BenchError(
            f"the denoiser's output has a spread of {spread}, so its times would mean nothing; use other weights"
        )
    return Figure(
        name="pieces.spread", title="spread of the denoiser's output (about 1 is good)", unit="", value=spread
    )


def _timed(work: Callable[[], object], plan: Plan) -> list[float]:
    """Milliseconds of each repetition; `work` must end with its result in host memory."""
    for _ in range(min(plan.warm_ups, 3)):
        work()
    samples = []
    for _ in range(plan.repeats):
        began = time.perf_counter()
        work()
        samples.append(1000 * (time.perf_counter() - began))
    return samples


def _until_first_step(engine: Engine, model: str, workload: Workload) -> float:
    kind, params, _ = to_task(Workload(workload.width, workload.height, workload.steps, workload.seed, model=model))
    began = time.perf_counter()
    engine.add(model, pipelines.find(kind), params, {})
    while True:
        for event in engine.step():
            if isinstance(event, Failed):
                raise BenchError(f"{event.message}\n{event.trace}")
            if isinstance(event, Advanced):
                if torch.cuda.is_available():
                    torch.cuda.synchronize()  # the step was only launched
                seconds = time.perf_counter() - began
                engine.abort(model)
                return seconds


def _bare_load(models: Catalog, device: torch.device) -> float:
    side = DiffusersSide(models.find(MAIN), device)
    began = time.perf_counter()
    side.load()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    seconds = time.perf_counter() - began
    side.unload()
    return seconds
