"""The Hua side of a comparison: the engine and the PNG writer of a worker, in this process."""

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
from pipelines.engine.execution.cuda_graphs import Graphs
from pipelines.engine.execution.graph_capture import capture_on
from pipelines.engine.scheduling.batch_size import Capacity
from pipelines.engine.warmup import warm_up
from pipelines.pipeline import Params
from server.commands.bench.results import BenchError
from server.commands.bench.workloads import GUIDANCE, NEGATIVE, STRENGTH, Workload
from server.images.png import write_png

PAUSE_S = 0.001


class HuaSide:
    """One engine with the models of a catalog. As in a worker, steps run as CUDA graphs where there are some, and PNGs
    are written while the device continues. `load` measures, for at most `learning_s` seconds, the best batch size for
    workloads like `warm`."""

    name = "hua"

    def __init__(self, catalog: Catalog, device: torch.device, warm: Workload, learning_s: float) -> None:
        self._catalog, self._device, self._warm, self._learning_s = catalog, device, warm, learning_s
        self._registry: Registry | None = None
        self._engine: Engine | None = None

    def load(self) -> None:
        """Creates the engine and measures its batch size, if there is none."""
        if self._engine is not None:
            return
        weight = 2 * sum(entry.bytes for entry in self._catalog) + (1 << 30)
        self._registry = Registry(self._catalog, self._device, dtype_for(self._device), weight, weight)
        capacity, graphs = Capacity(), Graphs(capture_on(self._device))
        workload = self._warm
        with self._registry.acquire([workload.model]) as handle:
            while not handle.wait(60):
                pass
            warm_up(
                handle.get(ModelRef(CHECKPOINT, workload.model)),
                capacity,
                workload.width,
                workload.height,
                self._learning_s,
                graphs=graphs,
            )
        self._engine = Engine(self._registry, capacity, graphs=graphs)

    def unload(self) -> None:
        if self._registry is not None:
            self._registry.close()
        self._registry = self._engine = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def generate(self, workload: Workload) -> bytes:
        """The image as PNG."""
        [(png, _)] = self.generate_all([workload])
        return png

    def generate_all(self, workloads: Sequence[Workload]) -> list[tuple[bytes, float]]:
        """Submits all workloads at once; returns each PNG, and the seconds until it was ready."""
        assert self._engine is not None, "call `load` first; this is a bug"  # noqa: S101
        began = time.perf_counter()
        for index, workload in enumerate(workloads):
            kind, params, images = to_task(workload)
            self._engine.add(str(index), pipelines.find(kind), params, images)
        with ThreadPoolExecutor(1) as encoder:
            pngs: dict[int, Future[tuple[bytes, float]]] = {}
            while self._engine.busy:
                events = self._engine.step()
                if not events:
                    time.sleep(PAUSE_S)  # a model is being loaded
                for event in events:
                    match event:
                        case Failed():
                            raise BenchError(f"{event.message}\n{event.trace}")
                        case Finished(attempt_id, result):
                            pngs[int(attempt_id)] = encoder.submit(_encode, result.images[0], began)
            return [pngs[index].result() for index in range(len(workloads))]


def _encode(pixels: np.ndarray, began: float) -> tuple[bytes, float]:
    return write_png(pixels, {}), time.perf_counter() - began


def to_task(workload: Workload) -> tuple[str, Params, dict[str, np.ndarray]]:
    """The task type, params and input images of a workload."""
    images = {} if workload.source is None else {"url": workload.source}
    kind, values = to_request(workload)
    if images:
        values |= {"url": "https://images.example/a.png"}  # the engine uses `images` instead
    params: Params = pipelines.find(kind).Params.model_validate(values)
    return kind, params, images


def to_request(workload: Workload) -> tuple[str, dict[str, Any]]:
    """The task type and params as a client sends them, without the source image."""
    values: dict[str, Any] = {
        "text": workload.text,
        "negative_prompt": NEGATIVE,
        "model": workload.model,
        "seed": workload.seed,
        "num_steps": workload.steps,
        "guidance_scale": GUIDANCE,
        "sampler": "euler",
    }
    if workload.control:
        return "control.canny", values | {"use_img2img": False, "bypass_annotator": True}
    if workload.source is not None:
        return "img2img.sd", values | {"fidelity": 1 - STRENGTH}
    return "txt2img.sd", values | {"w": workload.width, "h": workload.height}
