"""How a step becomes a CUDA graph: one launch instead of many hundreds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch

from pipelines.engine.execution.cuda_graphs import Capture, StepResult


class CudaGraph:
    """A captured step, and the device memory that it took."""

    def __init__(self, graph: torch.cuda.CUDAGraph, result: StepResult, nbytes: int) -> None:
        self._graph, self._result = graph, result
        self.bytes = nbytes

    def replay(self) -> StepResult:
        self._graph.replay()
        return self._result


class GraphCapture:
    """Captures steps. All graphs share one memory pool: they run one after another, and the result of each stays
    allocated.

    After a failed capture the next one gets a new pool and a new stream, for torch leaves the old ones in use.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._failed: list[torch.cuda.CUDAGraph] = []
        """Kept, because torch's allocators still refer to them."""
        self._renew()

    def __call__(self, run: Callable[[], StepResult]) -> CudaGraph:
        graph, before = torch.cuda.CUDAGraph(), self._pool_bytes()
        try:
            result = self._capture(graph, run)
        except BaseException:
            self._abandon(graph)
            raise
        return CudaGraph(graph, result, self._pool_bytes() - before)

    def _capture(self, graph: torch.cuda.CUDAGraph, run: Callable[[], StepResult]) -> StepResult:
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            # Thread-local: another thread may load models meanwhile.
            graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
            try:
                result = run()
            except BaseException:
                with suppress(RuntimeError):  # only says that the capture has failed
                    graph.capture_end()
                raise
            graph.capture_end()
            return result

    def _pool_bytes(self) -> int:
        """Memory of the pool. That of the whole device says nothing, for another thread may load models meanwhile."""
        segments = torch.cuda.memory_snapshot(self._pool, include_traces=False)  # type: ignore[no-untyped-call]
        return sum(int(segment["total_size"]) for segment in segments)

    def _abandon(self, graph: torch.cuda.CUDAGraph) -> None:
        """Gives back what a failed capture holds; the pool is freed with the last graph that was captured in it."""
        self._failed.append(graph)
        index, pool = self._device.index or 0, self._pool
        with suppress(RuntimeError):  # torch has done it already
            torch._C._cuda_endAllocateToPool(index, pool)
            torch._C._cuda_releasePool(index, pool)
        self._renew()

    def _renew(self) -> None:
        self._pool: Any = torch.cuda.graph_pool_handle()
        self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]


def capture_on(device: torch.device) -> Capture | None:
    """How steps are captured on a device; None if it has no graphs."""
    return GraphCapture(device) if device.type == "cuda" else None
