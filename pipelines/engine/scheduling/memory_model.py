"""Which batches fit the device's memory: learned from what steps took, so that no batch is tried that cannot fit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pipelines.engine.scheduling.batch_key import BatchKey

SLACK = 1.25
"""A step of a key that was never measured may take this many times what it should in proportion to its size."""


class Memory:
    """The bytes that a step takes in addition to the weights, by key and rows, and how many rows fit `free_bytes`.

    Activations grow in proportion to the rows and to the area of the latents, and a part stays constant. So the bytes
    of a smaller batch, scaled in proportion, are a little more than a larger one needs.
    """

    def __init__(
        self, free_bytes: Callable[[], int] | None = None, moves: Callable[[], int | None] = lambda: 0
    ) -> None:
        """`free_bytes` returns the bytes that are free on the device; None: no limit. `moves` counts how often models
        were moved by another thread; None while one is moved."""
        self._free_bytes = free_bytes
        self._moves = moves
        self._measured: defaultdict[BatchKey, dict[int, int]] = defaultdict(dict)
        """Bytes by rows."""

    def fits(self, key: BatchKey, rows: int) -> bool:
        """Whether a batch fits, as far as is known. False for a model that was never measured: its first batch is one
        image, which the engine runs without asking."""
        if self._free_bytes is None:
            return True
        expected = self.expected(key, rows)
        return expected is not None and expected <= self._free_bytes()

    def expected(self, key: BatchKey, rows: int) -> int | None:
        """Bytes of a step; None if no step of its model was ever measured."""
        key = key.of_cost
        if measured := self._measured.get(key):
            return _in_proportion(measured, rows)
        same_model = [other for other in self._measured if other.checkpoint == key.checkpoint]
        if not same_model:
            return None
        nearest = min(same_model, key=lambda other: abs(_area(other) - _area(key)))
        scale = SLACK * max(_area(key) / _area(nearest), 1)
        return int(scale * _in_proportion(self._measured[nearest], rows))

    def observe(self, key: BatchKey, rows: int, step_bytes: int) -> None:
        self._measured[key.of_cost][rows] = step_bytes

    @contextmanager
    def watched(self, key: BatchKey, rows: int, device: torch.device) -> Iterator[None]:
        """Measures the peak of the body, for the first batch of each key and number of rows.

        Only if there is a limit, for on the CPU measuring costs as much as the step.
        """
        if self._free_bytes is None or rows in self._measured.get(key.of_cost, {}):
            yield
            return
        moves = self._moves()
        with peak_bytes(device) as peak:
            yield
        if moves is not None and self._moves() == moves:  # else the peak includes the weights of a model
            self.observe(key, rows, peak[0])


@contextmanager
def peak_bytes(device: torch.device) -> Iterator[list[int]]:
    """Yields a list that holds one number after the body: the peak of the bytes that the body allocated."""
    peak: list[int] = []
    if device.type == "cuda":
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        yield peak
        peak.append(torch.cuda.max_memory_allocated(device) - before)
        return
    with LiveBytes() as live:
        yield peak
    peak.append(live.peak)


class LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the bytes of the tensors created within it that are alive at the same time; `peak` is the maximum."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}
        """Storages by address, with their bytes."""

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        inputs = {each.untyped_storage()._cdata for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)}
        result = function(*args, **(kwargs or {}))
        for each in tree_leaves(result):
            if isinstance(each, Tensor) and (storage := each.untyped_storage())._cdata not in inputs:
                weak = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                self._alive[storage._cdata] = weak, storage.nbytes()
        for address in [address for address, (weak, _) in self._alive.items() if _is_freed(weak)]:
            del self._alive[address]
        self.peak = max(self.peak, sum(nbytes for _, nbytes in self._alive.values()))
        return result


def _is_freed(storage: StorageWeakRef) -> bool:
    return bool(storage.expired())  # type: ignore[no-untyped-call]


def _in_proportion(measured: Mapping[int, int], rows: int) -> int:
    """The bytes of the next larger number of rows that was measured, or of the largest, scaled up."""
    larger = [other for other in measured if other >= rows]
    if larger:
        return measured[min(larger)]
    most = max(measured)
    return -(-measured[most] * rows // most)


def _area(key: BatchKey) -> int:
    _, height, width = key.latents
    return height * width
