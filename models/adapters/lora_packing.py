"""LoRAs of a task as one vector of numbers, and where in it those of each module are.

Sets with the same layout can be stacked, and copied into memory that stays where it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

import torch
from torch import Tensor

from models.adapters.lora_additions import Addition, Tensors

RANKS = (4, 8, 16, 32, 64, 128)
"""Ranks that products are padded to, so that sets of similar ranks have the same layout."""
SETS = (1, 2, 4, 8)
"""How many sets a layout has room for, besides that of rows without LoRAs."""
MOST_SETS = SETS[-1]
"""Different sets that a batch may have."""
MOST_BYTES = 2 << 30
"""Device memory of the sets of a batch. A set of rank 64 for the attention of SDXL takes 0.4 GB."""


@dataclass(frozen=True, slots=True)
class Layout:
    """What a packed set has, and how many sets there is room for."""

    additions: tuple[Addition, ...]
    sets: int = 1
    """One of SETS. Set 0 is zeros, for rows without LoRAs, and not counted."""
    numbers: int = field(init=False, compare=False)
    """Of one set."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", sum(each.numbers for each in self.additions))

    def __hash__(self) -> int:
        """Quick: batch keys have it, and there are some hundred additions."""
        return hash((len(self.additions), self.sets))

    def bytes(self, dtype: torch.dtype) -> int:
        """Of all sets."""
        return self.numbers * (self.sets + 1) * dtype.itemsize

    def unpack(self, packed: Tensor) -> Iterator[tuple[Addition, Tensors]]:
        """Each addition with its tensors [sets, …], views of `packed` [sets, numbers]."""
        begin = 0
        for addition in self.additions:
            tensors = []
            for shape in addition.shapes:
                end = begin + math.prod(shape)
                tensors.append(packed[:, begin:end].view(-1, *shape))
                begin = end
            yield addition, tensors


class LoraSet:
    """The LoRAs of one task for one net."""

    def __init__(self, tensors: Mapping[Addition, Tensors]) -> None:
        """`tensors` have the shapes of their addition."""
        self.layout = Layout(tuple(sorted(map(_padded, tensors))))
        self._tensors = {addition.place: each for addition, each in tensors.items()}
        """By the place of their addition; parts of the packed vector, once there is one."""
        self._packed: tuple[tuple[Addition, ...], Tensor] | None = None

    @property
    def bytes(self) -> int:
        if self._packed is not None:
            return self._packed[1].nbytes
        return sum(tensor.nbytes for tensors in self._tensors.values() for tensor in tensors)

    def packed(self, layout: Layout, dtype: torch.dtype) -> Tensor:
        """[numbers]. `layout` has room for this set."""
        if self._packed is None or self._packed[0] != layout.additions or self._packed[1].dtype != dtype:
            self._packed = layout.additions, self._pack(layout, dtype)
        return self._packed[1]

    def _pack(self, layout: Layout, dtype: torch.dtype) -> Tensor:
        device = next(iter(self._tensors.values()))[0].device
        packed = torch.zeros(1, layout.numbers, dtype=dtype, device=device)
        for addition, rooms in layout.unpack(packed):
            if addition.place in self._tensors:
                tensors = self._tensors[addition.place]
                own = [room[0][_corner(each)] for room, each in zip(rooms, tensors, strict=True)]
                for room, tensor in zip(own, tensors, strict=True):
                    room.copy_(tensor)
                self._tensors[addition.place] = own
        return packed[0]


def common_layout(sets: Iterable[LoraSet]) -> Layout:
    """The smallest layout that has room for all these sets, at most MOST_SETS."""
    return _common(tuple(each.layout for each in sets if each.layout.additions))


@lru_cache(maxsize=64)
def _common(layouts: tuple[Layout, ...]) -> Layout:
    """Each step asks for it, mostly for the same layouts."""
    count = next(count for count in SETS if count >= len(layouts))
    first = layouts[0] if layouts else Layout(())
    if all(each == first for each in layouts):
        return replace(first, sets=count)
    found: dict[object, Addition] = {}
    for addition in (addition for layout in set(layouts) for addition in layout.additions):
        found[addition.place] = max(addition, found.get(addition.place, addition), key=lambda each: each.numbers)
    return Layout(tuple(sorted(found.values())), count)


def _corner(tensor: Tensor) -> tuple[slice, ...]:
    """Where a tensor is in a larger one."""
    return tuple(slice(size) for size in tensor.shape)


def _padded(addition: Addition) -> Addition:
    if addition.kind != "product":
        return addition
    (outputs, rank), (_, *inputs) = addition.shapes
    rank = next(each for each in RANKS if each >= rank)
    return addition._replace(shapes=((outputs, rank), (rank, *inputs)))
