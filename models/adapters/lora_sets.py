"""The LoRAs of each task as a set beside the weights, computed once for each set."""

from __future__ import annotations

import logging
from collections import OrderedDict, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn

from models.adapters.cheap_forms import MOST_RANK, DenseKronecker, find_cheap_form
from models.adapters.lora import Lora
from models.adapters.lora_additions import Addition, Kind, Tensors
from models.adapters.lora_delta import Factors
from models.adapters.lora_keys import Target
from models.adapters.lora_merge import MergedNet
from models.adapters.lora_packing import MOST_BYTES, MOST_SETS, LoraSet
from models.device_faults import is_out_of_memory, raise_if_lost
from models.files.lora_layout import BIAS
from models.finite import holds_finite

log = logging.getLogger(__name__)
MOST_KEPT = MOST_SETS + 1
"""Sets of a net that are kept: those of a batch, and the empty one of tasks without LoRAs."""
Place = tuple[str, Kind, tuple[int, ...]]
"""The path, the kind and the small matrix of an addition."""


class MustBeMergedError(Exception):
    """An update cannot be beside the weight."""


class LoraSets:
    def __init__(self) -> None:
        self._sets: OrderedDict[tuple[str, Hashable], LoraSet | None] = OrderedDict()

    def find(self, net: MergedNet, scales: Sequence[tuple[Lora, float]]) -> LoraSet | None:
        """These LoRAs as one set for `net`; None if they must be merged."""
        key = net.part, net.active_loras(scales)
        if key not in self._sets:
            try:
                self._sets[key] = lora_set(net, scales)
            except Exception as error:  # many tasks wait for this answer, and when merged it concerns its own alone
                raise_if_lost(error)
                if is_out_of_memory(error):
                    self._sets.clear()
                    return None
                log.exception("LoRAs %s are merged", ", ".join(lora.name for lora, _ in scales))
                self._sets[key] = None
        self._sets.move_to_end(key)
        self._forget_oldest(net.part)
        return self._sets[key]

    def clear(self) -> None:
        self._sets.clear()

    def _forget_oldest(self, part: str) -> None:
        """Of this net, all but the latest that there is room for."""
        kept = [key for key in reversed(self._sets) if key[0] == part]
        total = 0
        for number, key in enumerate(kept):
            found = self._sets[key]
            total += 0 if found is None else found.bytes
            if number and (number >= MOST_KEPT or total > 2 * MOST_BYTES):
                del self._sets[key]


def lora_set(net: MergedNet, scales: Iterable[tuple[Lora, float]]) -> LoraSet | None:
    """The LoRAs that change `net`, as one set; None if one of them has to be merged. Without LoRAs, an empty set."""
    paths = {module: path for path, module in net.net.named_modules()}
    found: defaultdict[Place, list[Tensors]] = defaultdict(list)
    try:
        for lora, scale in scales:
            for name, factors in lora.updates.get(net.part, {}).items() if scale else ():
                module = net.modules.get(name)
                for kind, small, tensors in () if module is None else _additions(module, factors, scale):
                    found[paths[module], kind, small].append(tensors)
        loras = LoraSet(dict(_joined(place, each) for place, each in found.items()))
    except MustBeMergedError:
        return None
    return loras if loras.layout.bytes(next(net.net.parameters()).dtype) <= MOST_BYTES else None


def _additions(module: Target, factors: Factors, scale: float) -> Iterator[tuple[Kind, tuple[int, ...], Tensors]]:
    """What a LoRA adds to a module: the kind, the shape of the small matrix, and tensors in the dtype of the weight:
    in float32 the sets that are kept would take twice the memory. Raises MustBeMergedError."""
    factors = dict(factors)
    bias = factors.pop(BIAS, None)
    if bias is not None and module.bias is not None:
        yield "bias", (), _scaled(bias, module.bias, scale)
    if not factors:
        return
    if isinstance(module, nn.LayerNorm | nn.GroupNorm):
        if factors.keys() != {"diff"}:
            raise MustBeMergedError
        yield "norm", (), _scaled(factors["diff"], module.weight, scale)
        return
    if isinstance(module, nn.Conv2d) and module.groups != 1:
        raise MustBeMergedError
    update = find_cheap_form(factors, module.weight.shape)
    if update is None:
        raise MustBeMergedError
    tensors = _finite(update[0] * scale, update[1], dtype=module.weight.dtype)
    if isinstance(update, DenseKronecker):
        yield "kronecker", tuple(update.small.shape), [each[None] for each in tensors]
    else:
        yield "product", (), tensors


def _scaled(delta: Tensor, tensor: Tensor, scale: float) -> Tensors:
    """The delta of a bias or of a norm. Raises MustBeMergedError for one that does not fit: merging tells why."""
    if delta.shape != tensor.shape or tensor.ndim != 1:
        raise MustBeMergedError
    return _finite(delta.float() * scale, dtype=tensor.dtype)


def _finite(*tensors: Tensor, dtype: torch.dtype) -> Tensors:
    """Raises MustBeMergedError for NaN and infinity: 0 · infinity would be NaN in rows of other sets."""
    rounded = [each.to(dtype) for each in tensors]
    if not all(map(holds_finite, rounded)):
        raise MustBeMergedError
    return rounded


def _joined(place: Place, parts: Sequence[Tensors]) -> tuple[Addition, Tensors]:
    """The additions of several LoRAs to one module as one. Raises MustBeMergedError."""
    first, *others = zip(*parts, strict=True)
    if place[1] == "product":
        tensors = [torch.cat(first, 1), *(torch.cat(each) for each in others)]
        if tensors[0].shape[1] > MOST_RANK:
            raise MustBeMergedError
    elif place[1] == "kronecker":
        tensors = [torch.cat(each) for each in (first, *others)]
    else:
        tensors = [torch.stack(first).sum(0)]
    return Addition(*place, tuple(tuple(each.shape) for each in tensors)), tensors
