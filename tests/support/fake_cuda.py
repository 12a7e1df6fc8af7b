"""A stand-in for the CUDA driver: torch.cuda's calls answer without a card, and fail where a test wants it.

Tensors stay on the CPU. Graphs record operations and repeat them, as those of CUDA do.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from tests.pipelines.engine.tape import Recording

CUDA = torch.device("cuda", 0)
ILLEGAL_ADDRESS, NO_MEMORY, CAPTURE_INVALIDATED = 700, 2, 901


def cuda_error(code: int) -> torch.AcceleratorError:
    """As torch raises it."""
    error = torch.AcceleratorError(f"CUDA error: {code}")
    error.error_code = code
    return error


class FakeCuda:
    """`errors` are raised by the calls that they are named after, once each: `capture_begin`, `capture_end`, `replay`,
    `pin`, `record`, `elapsed_time`, `empty_cache`, `mem_get_info`. A `lost` device fails at every synchronization."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.errors: dict[str, BaseException] = {}
        self.lost: BaseException | None = None
        self.calls: Counter[str] = Counter()
        self.capturing: list[object] = []
        """Pools that a capture allocates in, as the allocator knows them."""
        self.pools: Counter[object] = Counter()
        """Graphs that use a pool."""
        self.free, self.total = 8 << 30, 16 << 30
        self.reserved = self.allocated = 0
        for name, answer in {
            "is_initialized": lambda: True,
            "is_available": lambda: True,
            "synchronize": self.synchronize,
            "empty_cache": lambda: self.call("empty_cache"),
            "mem_get_info": self.mem_get_info,
            "memory_reserved": lambda device: self.reserved,
            "memory_allocated": lambda device: self.allocated,
            "graph_pool_handle": object,
            "memory_snapshot": lambda pool, include_traces: [{"total_size": 1 << 20}] * self.pools[pool],
            "current_stream": lambda device=None: None,
            "Stream": FakeStream,
            "stream": lambda stream: contextlib.nullcontext(),
            "CUDAGraph": lambda: FakeGraph(self),
        }.items():
            monkeypatch.setattr(torch.cuda, name, answer)
        monkeypatch.setattr(torch._C, "_cuda_endAllocateToPool", lambda device, pool: self.end(pool), raising=False)
        monkeypatch.setattr(torch._C, "_cuda_releasePool", lambda device, pool: self.release(pool), raising=False)
        monkeypatch.setattr(torch, "Event", lambda device, enable_timing: FakeEvent(self))
        monkeypatch.setattr(torch, "empty_like", self._empty_like)

    def call(self, name: str) -> None:
        self.calls[name] += 1
        if self.lost is not None:
            raise self.lost
        if (error := self.errors.pop(name, None)) is not None:
            raise error

    def synchronize(self, device: torch.device | None = None) -> None:
        self.call("synchronize")

    def mem_get_info(self, device: torch.device | None = None) -> tuple[int, int]:
        self.call("mem_get_info")
        return self.free, self.total

    def begin(self, pool: object) -> None:
        if pool in self.capturing:
            raise RuntimeError("beginAllocateToPool: already recording to mempool_id")
        self.capturing.append(pool)
        self.pools[pool] += 1

    def end(self, pool: object) -> None:
        if pool not in self.capturing:
            raise RuntimeError("endAllocatePool: not currently recording to mempool_id")
        self.capturing.remove(pool)

    def release(self, pool: object) -> None:
        self.pools[pool] -= 1

    def _empty_like(self, values: torch.Tensor, *, pin_memory: bool = False, **options: Any) -> torch.Tensor:
        if pin_memory:
            self.call("pin")
        return _EMPTY_LIKE(values, **options)


_EMPTY_LIKE = torch.empty_like


class FakeStream:
    def __init__(self, device: torch.device) -> None:
        self.device = device

    def wait_stream(self, stream: object) -> None: ...


class FakeGraph:
    """Behaves as torch's: a capture that does not end well leaves the allocator in its pool."""

    def __init__(self, cuda: FakeCuda) -> None:
        self._cuda = cuda
        self._recording = Recording()

    def capture_begin(self, pool: object, capture_error_mode: str) -> None:
        self._pool = pool
        self._cuda.begin(pool)
        self._cuda.call("capture_begin")
        self._recording.__enter__()

    def capture_end(self) -> None:
        self._recording.__exit__(None, None, None)
        self._cuda.call("capture_end")
        self._cuda.end(self._pool)

    def replay(self) -> None:
        self._cuda.call("replay")
        self._recording.repeat()


class FakeEvent:
    """Every step takes a millisecond."""

    def __init__(self, cuda: FakeCuda) -> None:
        self._cuda = cuda
        self._recorded = False

    def record(self) -> None:
        self._cuda.call("record")
        self._recorded = True

    def synchronize(self) -> None:
        self._cuda.call("synchronize")

    def elapsed_time(self, end: FakeEvent) -> float:
        self._cuda.call("elapsed_time")
        if not (self._recorded and end._recorded):
            raise RuntimeError("Both events must be recorded before calculating elapsed time.")
        return 1.0


@contextlib.contextmanager
def fake_cuda() -> Iterator[FakeCuda]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield FakeCuda(monkeypatch)
