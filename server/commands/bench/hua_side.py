"""Our side of a comparison: the engine and the PNG writer that a worker uses, in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

import pipelines
from models.catalog.catalog import Catalog
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from models.registry.loaders import dtype_for
from models.registry.registry import Registry
from pipelines.engine.engine import Engine
from pipelines.engine.events import Failed, Finished
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.warmup import warm_up
from pipelines.pipeline import Params
from server.commands.bench.results import BenchError
from server.commands.bench.workloads import GUIDANCE, NEGATIVE, STRENGTH, Workload
from server.images.png import write_png

PAUSE_S = 0.001


class Ours:
    """One engine over the models of a catalog. As in a worker, PNGs are written while the device goes on, and before
    it begins it learns, for `learning_s` at most, how large batches of pictures like `warm` should be."""

    name = "hua"

    def __init__(self, catalog: Catalog, device: torch.device, warm: Workload, learning_s: float) -> None:
        self._catalog, self._device, self._warm, self._learning_s = catalog, device, warm, learning_s
        self._registry: Registry | None = None
        self._engine: Engine | None = None

    def bring(self) -> None:
        """Makes an engine that knows what batches pay, unless there is one."""
        if self._engine is not None:
            return
        weight = 2 * sum(entry.bytes for entry in self._catalog) + (1 << 30)
        self._registry = Registry(self._catalog, self._device, dtype_for(self._device), weight, weight)
        capacity = Capacity()
        wish = self._warm
        with self._registry.acquire([wish.model]) as hold:
            while not hold.wait(60):
                pass
            warm_up(hold.get(ModelRef(CHECKPOINT, wish.model)), capacity, wish.width, wish.height, self._learning_s)
        self._engine = Engine(self._registry, capacity)

    def leave(self) -> None:
        if self._registry is not None:
            self._registry.close()
        self._registry = self._engine = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def paint(self, wish: Workload) -> bytes:
        """A PNG."""
        [(png, _)] = self.paint_all([wish])
        return png

    def paint_all(self, wishes: Sequence[Workload]) -> list[tuple[bytes, float]]:
        """The PNG of each wish, all handed in at once, and after how many seconds it was there."""
        assert self._engine is not None, "`bring` comes first; this is a bug"  # noqa: S101
        began = time.perf_counter()
        for place, wish in enumerate(wishes):
            kind, params, images = as_task(wish)
            self._engine.add(str(place), pipelines.find(kind), params, images)
        with ThreadPoolExecutor(1) as encoder:
            written: dict[int, Future[tuple[bytes, float]]] = {}
            while self._engine.busy:
                events = self._engine.step()
                if not events:
                    time.sleep(PAUSE_S)  # a model is being loaded
                for event in events:
                    match event:
                        case Failed():
                            raise BenchError(f"{event.message}\n{event.trace}")
                        case Finished(attempt_id, result):
                            written[int(attempt_id)] = encoder.submit(_encoded, result.images[0], began)
            return [written[place].result() for place in range(len(wishes))]


def _encoded(pixels: np.ndarray, began: float) -> tuple[bytes, float]:
    return write_png(pixels, {}), time.perf_counter() - began


def as_task(wish: Workload) -> tuple[str, Params, dict[str, np.ndarray]]:
    """Task type, params and images of a wish."""
    images = {} if wish.picture is None else {"url": wish.picture}
    kind, said = as_request(wish)
    if images:
        said |= {"url": "https://images.example/a.png"}  # taken from `images` instead
    params: Params = pipelines.find(kind).Params.model_validate(said)
    return kind, params, images


def as_request(wish: Workload) -> tuple[str, dict[str, Any]]:
    """Task type and params as a client sends them, but for the picture."""
    said: dict[str, Any] = {
        "text": wish.text,
        "negative_prompt": NEGATIVE,
        "model": wish.model,
        "seed": wish.seed,
        "num_steps": wish.steps,
        "guidance_scale": GUIDANCE,
        "sampler": "euler",
    }
    if wish.control:
        return "control.canny", said | {"use_img2img": False, "bypass_annotator": True}
    if wish.picture is not None:
        return "img2img.sd", said | {"fidelity": 1 - STRENGTH}
    return "txt2img.sd", said | {"w": wish.width, "h": wish.height}
