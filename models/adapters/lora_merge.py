"""Merges LoRAs into the weights of a net, and restores the original weights bit for bit."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.adapters.lora import Lora, LoraError
from models.adapters.lora_delta import Factors, UnknownAlgorithmError
from models.adapters.lora_keys import Target, modules_by_name
from models.adapters.lora_update import compute_update
from models.files.lora_layout import BIAS
from models.host_memory import copy_to_host


class Adapter(NamedTuple):
    """A LoRA with its scales; a negative scale subtracts the update."""

    lora: Lora
    unet: float = 1.0
    """Scale for the UNet."""
    text: float = 1.0
    """Scale for the text encoders."""


class Term(NamedTuple):
    """What one LoRA adds to one tensor."""

    lora: Lora
    module: str
    factors: Factors
    scale: float


class MergedNet:
    """A net whose weights W become W + Σ scale·ΔW for the active LoRAs.

    The original of each changed weight is kept in host memory and copied back, so that no rounding error of a LoRA
    stays. Each user of the net calls `switch` before it runs the net; this costs nothing if the LoRAs are the same as
    before. Used by one thread at a time.
    """

    def __init__(self, net: nn.Module, part: str) -> None:
        self.net = net
        self.part = part
        self._merged: tuple[tuple[int, float], ...] | None = ()
        self._originals: dict[Tensor, Tensor] = {}
        self._changed: set[Tensor] = set()

    def active_loras(self, scales: Iterable[tuple[Lora, float]]) -> tuple[tuple[int, float], ...]:
        """Serials and scales of the LoRAs that change this net."""
        return tuple((lora.serial, scale) for lora, scale in scales if scale and self.part in lora.updates)

    def has(self, active: tuple[tuple[int, float], ...]) -> bool:
        """Whether exactly these `active_loras` are merged."""
        return self._merged == active

    @torch.no_grad()
    def switch(self, scales: Iterable[tuple[Lora, float]]) -> None:
        """Merges these LoRAs and no others. Raises LoraError for one that does not fit; after any error the net has its
        original weights."""
        scales = tuple(scales)
        requested = self.active_loras(scales)
        if requested == self._merged:
            return
        try:
            self._merged = None
            changes = self._changes(scales)
            self._copy_back(self._changed - changes.keys())
            for weight, terms in changes.items():
                self._merge(weight, terms)
        except BaseException:
            self.restore()
            raise
        self._merged = requested

    @torch.no_grad()
    def restore(self) -> None:
        """Restores the original weights."""
        self._copy_back(set(self._changed))
        self._merged = ()

    def forget(self) -> None:
        """Restores the original weights and frees their copies. Call it before the net is moved."""
        self.restore()
        self._originals.clear()

    @cached_property
    def modules(self) -> dict[str, Target]:
        """The modules that a LoRA can update, by each of their names."""
        return modules_by_name(self.net)

    def _changes(self, scales: Iterable[tuple[Lora, float]]) -> dict[Tensor, list[Term]]:
        """The updates of each tensor. All names are looked up before the first tensor changes."""
        changes: dict[Tensor, list[Term]] = {}
        for lora, scale in scales:
            if not scale or self.part not in lora.updates:
                continue
            for tensor, module, factors in self._targets(lora):
                changes.setdefault(tensor, []).append(Term(lora, module, factors, scale))
        return changes

    def _targets(self, lora: Lora) -> Iterator[tuple[Tensor, str, Factors]]:
        """The tensors that a LoRA changes, with the names of their modules and their factors. Modules that this net
        lacks are left out."""
        updates = lora.updates[self.part]
        for name in (name for name in updates if name in self.modules):
            module, factors = self.modules[name], dict(updates[name])
            bias = factors.pop(BIAS, None)
            if bias is not None and module.bias is not None:
                yield module.bias, name, {"diff": bias}
            if factors:
                yield module.weight, name, factors

    def _merge(self, weight: Tensor, terms: Iterable[Term]) -> None:
        if weight not in self._originals:
            self._originals[weight] = copy_to_host(weight)
        original = self._originals[weight].to(weight.device, torch.float32, copy=True)
        merged = original.clone()
        for term in terms:
            merged += term.scale * _update(term, original)
        self._changed.add(weight)
        weight.copy_(merged)

    def _copy_back(self, weights: set[Tensor]) -> None:
        for weight in weights:
            weight.copy_(self._originals[weight], non_blocking=True)
            self._changed.discard(weight)


def refuse_misfit(lora: Lora, nets: Iterable[MergedNet]) -> None:
    """Raises LoraError if none of the modules that a LoRA updates is in these nets."""
    if lora.updates and not any(lora.updates.get(net.part, {}).keys() & net.modules.keys() for net in nets):
        part, modules = next(iter(lora.updates.items()))
        raise LoraError(
            f"LoRA {lora.name!r} updates {next(iter(modules))!r} of a {part}, and nothing else that this model has; "
            "use a LoRA for its family"
        )


def _update(term: Term, weight: Tensor) -> Tensor:
    lora, module = term.lora, term.module
    try:
        update = compute_update(term.factors, weight)
    except UnknownAlgorithmError as error:
        raise LoraError(f"LoRA {lora.name!r}, {module}: {error}") from error
    if update.numel() != weight.numel() or update.shape[0] != weight.shape[0]:
        raise LoraError(
            f"LoRA {lora.name!r} updates {module!r} by {tuple(update.shape)}, but its weight is {tuple(weight.shape)}; "
            "use a LoRA for the family of this model"
        )
    return update.view_as(weight)
