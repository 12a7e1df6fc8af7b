"""Which batches fit the device: learnt from what steps were seen to take, so that none is tried which cannot fit."""

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
"""By how much more than in proportion to its size a step may take that was never seen."""


class Memory:
    """The bytes that a step takes beside the weights, by key and rows, and how many rows of a key fit `free_bytes`.

    Activations grow in proportion to rows and to the area of the latents, and something stays the same; so what was
    measured of a smaller batch, taken in proportion, is a little more than a larger one needs.
    """

    def __init__(self, free_bytes: Callable[[], int] | None = None) -> None:
        self._free_bytes = free_bytes
        self._taken: defaultdict[BatchKey, dict[int, int]] = defaultdict(dict)

    def fits(self, key: BatchKey, rows: int) -> bool:
        """Whether a batch of so many rows fits, as far as is known. Of a kind that nothing is known of nothing does,
        so it begins with one image, which is let in unasked."""
        if self._free_bytes is None:
            return True
        expected = self.expected(key, rows)
        return expected is not None and expected <= self._free_bytes()

    def expected(self, key: BatchKey, rows: int) -> int | None:
        """Bytes that such a step takes; None if neither it nor another of its model was ever measured."""
        key = key.of_cost
        if known := self._taken.get(key):
            return _in_proportion(known, rows)
        alike = [other for other in self._taken if other.checkpoint == key.checkpoint]
        if not alike:
            return None
        nearest = min(alike, key=lambda other: abs(_area(other) - _area(key)))
        share = SLACK * max(_area(key) / _area(nearest), 1)
        return int(share * _in_proportion(self._taken[nearest], rows))

    def observe(self, key: BatchKey, rows: int, taken: int) -> None:
        self._taken[key.of_cost][rows] = taken

    @contextmanager
    def watched(self, key: BatchKey, rows: int, device: torch.device) -> Iterator[None]:
        """Notes what the body takes at its peak, the first time that so many rows of such a key come; only where there
        is a limit, for on the CPU looking costs as much as the step."""
        if self._free_bytes is None or rows in self._taken.get(key.of_cost, {}):
            yield
            return
        with peak_bytes(device) as peak:
            yield
        self.observe(key, rows, peak[0])


@contextmanager
def peak_bytes(device: torch.device) -> Iterator[list[int]]:
    """One number, when the body is done: the bytes that it had allocated at its peak, beside what was there before."""
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
    """Counts the bytes of all tensors made within it that are alive at the same time; `peak` is the most there were."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak = 0
        self._alive: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(
        self, function: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = {each.untyped_storage()._cdata for each in tree_leaves((args, kwargs)) if isinstance(each, Tensor)}
        made = function(*args, **(kwargs or {}))
        for each in tree_leaves(made):
            if isinstance(each, Tensor) and (storage := each.untyped_storage())._cdata not in given:
                weak = StorageWeakRef(storage)  # type: ignore[no-untyped-call]
                self._alive[storage._cdata] = weak, storage.nbytes()
        for place in [place for place, (weak, _) in self._alive.items() if _gone(weak)]:
            del self._alive[place]
        self.peak = max(self.peak, sum(taken for _, taken in self._alive.values()))
        return made


def _gone(storage: StorageWeakRef) -> bool:
    return bool(storage.expired())  # type: ignore[no-untyped-call]


def _in_proportion(known: Mapping[int, int], rows: int) -> int:
    """From the next larger number of rows that was measured, or from the largest in proportion."""
    larger = [measured for measured in known if measured >= rows]
    if larger:
        return known[min(larger)]
    most = max(known)
    return -(-known[most] * rows // most)


def _area(key: BatchKey) -> int:
    _, height, width = key.latents
    return height * width
