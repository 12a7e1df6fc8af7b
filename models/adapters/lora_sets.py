"""The sets of LoRAs that the tasks of a checkpoint have, so that each is computed once."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Hashable, Sequence

from models.adapters.lora import Lora
from models.adapters.lora_beside import MOST_SETS, LoraSet, lora_set
from models.adapters.lora_merge import MergedNet

MOST_KEPT = MOST_SETS + 1
"""Sets of a net that are kept: those of a batch, and the empty one of tasks without LoRAs. They take device memory."""


class LoraSets:
    def __init__(self) -> None:
        self._sets: OrderedDict[tuple[str, Hashable], LoraSet | None] = OrderedDict()

    def find(self, net: MergedNet, scales: Sequence[tuple[Lora, float]]) -> LoraSet | None:
        """These LoRAs as one set for `net`; None if they must be merged."""
        key = net.part, net.active_loras(scales)
        if key not in self._sets:
            self._sets[key] = lora_set(net, scales)
        self._sets.move_to_end(key)
        if Counter(part for part, _ in self._sets)[net.part] > MOST_KEPT:
            del self._sets[next(each for each in self._sets if each[0] == net.part)]
        return self._sets[key]

    def clear(self) -> None:
        self._sets.clear()
