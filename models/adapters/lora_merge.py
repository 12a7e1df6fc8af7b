"""Merging LoRAs into the weights of a net, and getting the net back as it was, bit for bit."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.adapters.lora import Lora, LoraError
from models.adapters.lora_delta import UnknownAlgorithmError, delta
from models.adapters.lora_keys import modules_by_name


class Adapter(NamedTuple):
    """A LoRA, and how strongly the UNet and the text encoders are to feel it; negative means the opposite."""

    lora: Lora
    unet: float = 1.0
    text: float = 1.0


class MergedNet:
    """A net whose weights W become W + Σ scale·ΔW for the LoRAs at work.

    What a weight was before its first change is kept in host memory and copied back, never reckoned back, so nothing of
    a LoRA stays. Merging is for whoever uses the net next, so it says so before each use (`switch`); where nothing
    changes that costs nothing. One thread at a time.
    """

    def __init__(self, net: nn.Module, part: str) -> None:
        self.net = net
        self._part = part
        self._merged: tuple[tuple[str, float], ...] | None = ()
        self._originals: dict[Tensor, Tensor] = {}
        self._changed: set[Tensor] = set()

    def felt(self, scales: Iterable[tuple[Lora, float]]) -> tuple[tuple[str, float], ...]:
        """By name and scale, those of the LoRAs that change this net at all."""
        return tuple((lora.name, scale) for lora, scale in scales if scale and self._part in lora.updates)

    @torch.no_grad()
    def switch(self, scales: Iterable[tuple[Lora, float]]) -> None:
        """Merges these LoRAs and no others. Raises LoraError for one that does not fit, and leaves the net plain then,
        as after any failure."""
        scales = tuple(scales)
        wanted = self.felt(scales)
        if wanted == self._merged:
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
        self._merged = wanted

    @torch.no_grad()
    def restore(self) -> None:
        """The net as it was loaded."""
        self._copy_back(set(self._changed))
        self._merged = ()

    def forget(self) -> None:
        """As `restore`, and gives the memory back; for before the net is moved."""
        self.restore()
        self._originals.clear()

    @cached_property
    def _modules(self) -> dict[str, nn.Linear | nn.Conv2d]:
        return modules_by_name(self.net)

    def _changes(self, scales: Iterable[tuple[Lora, float]]) -> dict[Tensor, list[tuple[Lora, str, float]]]:
        """What is to be merged into each weight; all names are looked up before the first weight changes."""
        changes: dict[Tensor, list[tuple[Lora, str, float]]] = {}
        for lora, scale in scales:
            for module in lora.updates.get(self._part, {}) if scale else ():
                if module not in self._modules:
                    raise LoraError(
                        f"LoRA {lora.name!r} updates {module!r}, which this model's {self._part} does not have; it was "
                        "made for another family of models"
                    )
                changes.setdefault(self._modules[module].weight, []).append((lora, module, scale))
        return changes

    def _merge(self, weight: Tensor, terms: Iterable[tuple[Lora, str, float]]) -> None:
        if weight not in self._originals:
            self._originals[weight] = _in_host_memory(weight)
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
        update = delta(lora.updates[part][module]).to(weight.device)
    except UnknownAlgorithmError as error:
        raise LoraError(f"LoRA {lora.name!r}, {module}: {error}") from error
    if update.numel() != weight.numel() or update.shape[0] != weight.shape[0]:
        raise LoraError(
            f"LoRA {lora.name!r} updates {module!r} by {tuple(update.shape)}, but its weight is {tuple(weight.shape)}; "
            "it was made for another family of models"
        )
    return update.view_as(weight)


def _in_host_memory(weight: Tensor) -> Tensor:
    """A copy; on CUDA in memory from which the device can fetch it at full speed."""
    if weight.device.type == "cpu":
        return weight.detach().clone()
    copy = torch.empty_like(weight, device="cpu", pin_memory=True)
    return copy.copy_(weight)
