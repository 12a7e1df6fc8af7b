"""Images against those of diffusers' own pipelines, with the same weights, on the same device.

Half precision rounds differently in each order of operations, so two right images differ. The measure is an image in
single precision of the same weights: ours may not be much further from it than that of diffusers in half precision.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import ControlNetModel
from PIL import Image

from benchmarks.gpu_day.images import centre, is_flat, mean_difference, picture
from benchmarks.gpu_day.local_engine import LocalEngine, Task, open_engine
from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import Check, Finding, SkippedError
from models import catalog
from models.catalog.catalog import Catalog
from models.kinds.kind import ModelRef
from models.kinds.upscaler import UPSCALER as UPSCALER_KIND
from models.registry.loaders import dtype_for
from models.vision.spandrel_net import read_net
from server.commands.bench.diffusers_side import build_pipeline
from server.commands.bench.plan import CANNY, LARGE, MAIN, UPSCALER
from server.commands.bench.workloads import GUIDANCE, NEGATIVE, PROMPT, outlines

MORE = 1.5
"""How many times further from single precision than diffusers an image of ours may be."""
HALF_LEVEL = 0.5
"""Mean levels of uint8 that rounding to pixels may add."""
LEVELS = 2.0
"""As far as images in half precision may be apart on a device that single precision does not fit."""
STRENGTH = 0.75
TOY_SIDE = 64


@dataclass(frozen=True, slots=True)
class Case:
    """One task, and the same for diffusers."""

    name: str
    pipeline: str
    """The class in diffusers, after its prefix: Img2ImgPipeline."""
    type: str
    params: Mapping[str, Any]
    images: Mapping[str, np.ndarray]
    arguments: Mapping[str, Any]
    """Of diffusers' pipeline, in addition to those of all."""


def cases(side: int, with_control: bool) -> Iterator[Case]:
    source, mask = picture(side), centre(side)
    size = {"width": side, "height": side}
    yield Case("txt2img", "Pipeline", "txt2img.sd", {"w": side, "h": side}, {}, size)
    image = {"image": Image.fromarray(source), "strength": STRENGTH}
    yield Case("img2img", "Img2ImgPipeline", "img2img.sd", {"fidelity": 1 - STRENGTH}, {"url": source}, image)
    masked = {**image, **size, "mask_image": Image.fromarray(mask[:, :, 0])}
    raw = {"fidelity": 1 - STRENGTH, "use_raw_inpainting": True}
    both = {"url": source, "mask_url": mask}
    yield Case("inpaint", "InpaintPipeline", "txt2img.sd.inpainting", raw, both, masked)
    if with_control:
        lines = outlines(side, side)
        free = {"use_img2img": False, "bypass_annotator": True}
        arguments = {"image": Image.fromarray(lines), **size}
        hints = {"url": source, "hint_url": lines}
        yield Case("ControlNet", "ControlNetPipeline", "control.canny", free, hints, arguments)


def toys(plan: DayPlan) -> Iterator[Finding]:
    for model in (MAIN, LARGE):
        yield from _compare(plan, plan.toy_models, model, TOY_SIDE)
    yield from _compare_upscaler(plan, plan.toy_models, TOY_SIDE)


def sd1(plan: DayPlan) -> Iterator[Finding]:
    _refuse_small(plan)
    yield from _compare(plan, plan.full_models, MAIN, 512)
    yield from _compare_upscaler(plan, plan.full_models, 256)


def sdxl(plan: DayPlan) -> Iterator[Finding]:
    _refuse_small(plan)
    yield from _compare(plan, plan.full_models, LARGE, 1024)


def _refuse_small(plan: DayPlan) -> None:
    if plan.small:
        raise SkippedError("a small run has only toys")


def _compare(plan: DayPlan, folder: Path, model: str, side: int) -> Iterator[Finding]:
    models, device = catalog.read(folder), torch.device(plan.device)
    control = CANNY if model == MAIN else ""
    wanted = list(cases(side, bool(control)))
    with open_engine(folder, plan.device) as engine:
        ours = {case.name: engine.image(_task(plan, case, model)) for case in wanted}
    reference = Reference(models, model, control, device)
    theirs = {case.name: reference.image(case, plan.steps) for case in wanted}
    single: dict[str, np.ndarray] = {}
    if dtype_for(device) != torch.float32:
        try:
            reference.use_single_precision()
            single = {case.name: reference.image(case, plan.steps) for case in wanted}
        except torch.OutOfMemoryError:
            single = {}
    for name, image in ours.items():
        yield _judge(f"{model} {name}", image, theirs[name], single.get(name), _limit(device))


def _judge(title: str, ours: np.ndarray, theirs: np.ndarray, single: np.ndarray | None, limit: float) -> Check:
    if is_flat(theirs):
        return Check(title=f"{title}: the image shows something", passed=False, found=f"{title} is flat")
    between = mean_difference(ours, theirs)
    found = f"{title} {between:.2f} levels from diffusers"
    if single is None:
        return Check(title=f"{title}: equals diffusers", passed=between <= limit, found=found)
    far, allowed = mean_difference(ours, single), MORE * mean_difference(theirs, single) + HALF_LEVEL
    found += f", {far:.2f} from single precision (at most {allowed:.2f})"
    return Check(title=f"{title}: as close to single precision", passed=far <= allowed, found=found)


def _limit(device: torch.device) -> float:
    """How far apart images may be where there is none in single precision to compare with."""
    return HALF_LEVEL if dtype_for(device) == torch.float32 else LEVELS


def _task(plan: DayPlan, case: Case, model: str) -> Task:
    common = {
        "text": PROMPT.format(1),
        "negative_prompt": NEGATIVE,
        "model": model,
        "seed": 1,
        "num_steps": plan.steps,
        "guidance_scale": GUIDANCE,
        "sampler": "euler",
    }
    return Task(case.type, {**common, **case.params}, case.images)


class Reference:
    """diffusers' pipelines over one checkpoint, in the precision of the device."""

    def __init__(self, models: Catalog, model: str, control: str, device: torch.device) -> None:
        self._device, dtype = device, dtype_for(device)
        self._base = build_pipeline(models.find(model), dtype).to(device)
        self._prefix = "StableDiffusionXL" if model == LARGE else "StableDiffusion"
        self._more: dict[str, Any] = {} if model == LARGE else {"requires_safety_checker": False}
        self._net: Any = None
        if control:
            path = models.find(control).path
            self._net = ControlNetModel.from_pretrained(path, torch_dtype=dtype, local_files_only=True).to(device)

    def use_single_precision(self) -> None:
        """With the same weights."""
        self._base.to(torch.float32)
        if self._net is not None:
            self._net.float()

    def image(self, case: Case, steps: int) -> np.ndarray:
        more = {"controlnet": self._net} if case.pipeline.startswith("Control") else {}
        pipe = getattr(diffusers, self._prefix + case.pipeline)(**self._base.components, **self._more, **more)
        pipe.set_progress_bar_config(disable=True)
        output = pipe(
            PROMPT.format(1),
            negative_prompt=NEGATIVE,
            num_inference_steps=steps,
            guidance_scale=GUIDANCE,
            generator=torch.Generator().manual_seed(1),
            **case.arguments,
        )
        return np.asarray(output.images[0])


@torch.inference_mode()
def _compare_upscaler(plan: DayPlan, folder: Path, side: int) -> Iterator[Finding]:
    """Against the bare net of spandrel."""
    device, source = torch.device(plan.device), picture(side)
    with open_engine(folder, plan.device) as engine:
        ours = _enlarged(engine, source)
    entry = catalog.read(folder).find(ModelRef(UPSCALER_KIND, UPSCALER))
    planes = torch.from_numpy(source.copy()).to(device).permute(2, 0, 1)[None] / 255
    images = {}
    for dtype in {dtype_for(device), torch.float32}:
        net = read_net(entry).model.to(device, dtype).eval()
        pixels = (net(planes.to(dtype)).float().clamp(0, 1) * 255).round()
        images[dtype] = pixels[0].permute(1, 2, 0).to(torch.uint8).cpu().numpy()
    single = None if dtype_for(device) == torch.float32 else images[torch.float32]
    yield _judge("super-resolution", ours, images[dtype_for(device)], single, _limit(device))


def _enlarged(engine: LocalEngine, source: np.ndarray) -> np.ndarray:
    return engine.image(Task("img2img.sr", {"model": UPSCALER}, {"url": source}))
