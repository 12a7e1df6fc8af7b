"""Merges LoRAs into the weights of a net, and restores the original weights bit for bit."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.adapters.lora import Lora, LoraError
from models.adapters.lora_delta import UnknownAlgorithmError, compute_delta
from models.adapters.lora_keys import modules_by_name
from models.host_memory import copy_to_host


class Adapter(NamedTuple):
    """A LoRA with its scales; a negative scale subtracts the update."""

    lora: Lora
    unet: float = 1.0
    """Scale for the UNet."""
    text: float = 1.0
    """Scale for the text encoders."""


class MergedNet:
    """A net whose weights W become W + Σ scale·ΔW for the active LoRAs.

    The original of each changed weight is kept in host memory and copied back, so that no rounding error of a LoRA
    stays. Each user of the net calls `switch` before it runs the net; this costs nothing if the LoRAs are the same as
    before. Used by one thread at a time.
    """

    def __init__(self, net: nn.Module, part: str) -> None:
        self.net = net
        self._part = part
        self._merged: tuple[tuple[str, float], ...] | None = ()
        self._originals: dict[Tensor, Tensor] = {}
        self._changed: set[Tensor] = set()

    def active_loras(self, scales: Iterable[tuple[Lora, float]]) -> tuple[tuple[str, float], ...]:
        """Names and scales of the LoRAs that change this net."""
        return tuple((lora.name, scale) for lora, scale in scales if scale and self._part in lora.updates)

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
    def _modules(self) -> dict[str, nn.Linear | nn.Conv2d]:
        return modules_by_name(self.net)

    def _changes(self, scales: Iterable[tuple[Lora, float]]) -> dict[Tensor, list[tuple[Lora, str, float]]]:
        """The updates of each weight. All names are looked up before the first weight changes."""
        changes: dict[Tensor, list[tuple[Lora, str, float]]] = {}
        for lora, scale in scales:
            for module in lora.updates.get(self._part, {}) if scale else ():
                if module not in self._modules:
                    raise LoraError(
                        f"LoRA {lora.name!r} updates {module!r}, which this model's {self._part} does not have; "
                        "use a LoRA for its family"
                    )
                changes.setdefault(self._modules[module].weight, []).append((lora, module, scale))
        return changes

    def _merge(self, weight: Tensor, terms: Iterable[tuple[Lora, str, float]]) -> None:
        if weight not in self._originals:
            self._originals[weight] = copy_to_host(weight)
        merged = self._originals[weight].to(weight.device, torch.float32, copy=True)
        for lora, module, scale in terms:
            merged += scale * _update(lora, self._part, module, weight)
        self._changed.add(weight)
        weight.copy_(merged)

    def _copy_back(self, weights: set[Tensor]) -> None:
        for weight in weights:
            weight.copy_(self._originals[weight], non_blocking=True)
            self._changed.discard(weight)


def _update(lora: Lora, part: str, module: str, weight: Tensor) -> Tensor:
    try:
        update = compute_delta(lora.updates[part][module]).to(weight.device)
    except UnknownAlgorithmError as error:
        raise LoraError(f"LoRA {lora.name!r}, {module}: {error}") from error
    if update.numel() != weight.numel() or update.shape[0] != weight.shape[0]:
        raise LoraError(
            f"LoRA {lora.name!r} updates {module!r} by {tuple(update.shape)}, but its weight is {tuple(weight.shape)}; "
            "use a LoRA for the family of this model"
        )
    return update.view_as(weight)
