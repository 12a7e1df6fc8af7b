"""Trajectories sharing one forward pass. A batch lives for one step; the trajectories are all that stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from models.checkpoint import Conditioning
from models.tome import TokenMerging
from pipelines.engine.steering import residuals
from pipelines.engine.table import DEPTH
from pipelines.engine.trajectory import Trajectory
from pipelines.pipeline import Denoise


class Key(NamedTuple):
    """What shapes the tensors of a forward pass: trajectories that agree in it may share one."""

    checkpoint: str
    latents: tuple[int, int, int]
    embeds: tuple[int, ...]
    extras: tuple[tuple[str, tuple[int, ...]], ...]
    circular: bool
    nets: tuple[str, ...] = ()
    """The ControlNets that act on the present step; one whose turn is over, or to come, sets nobody apart."""
    adapters: tuple[tuple[str, float], ...] = ()
    tome: TokenMerging | None = None

    @property
    def pace(self) -> Key:
        """What decides how long a step takes: merged weights are as fast as plain ones, and merged tokens as fast
        as others of about as many."""
        tome = self.tome and self.tome._replace(seed=None, ratio=round(self.tome.ratio, 1))
        return self._replace(adapters=(), tome=tome)


def key_of(trajectory: Trajectory) -> Key:
    denoise = trajectory.denoise
    extras = tuple((name, tuple(extra.shape[1:])) for name, extra in sorted(denoise.positive.extras.items()))
    embeds = tuple(denoise.positive.embeds.shape[1:])
    nets = tuple(control.net.name for control in trajectory.controls)
    checkpoint = denoise.checkpoint
    adapters, tome = checkpoint.adapters, checkpoint.tome
    return Key(checkpoint.name, trajectory.shape, embeds, extras, denoise.circular, nets, adapters, tome)


class Batch:
    """One step of trajectories of one key. Rows are flat: the guided ones' negatives first, then every positive."""

    def __init__(self, trajectories: Sequence[Trajectory]) -> None:
        self._trajectories = trajectories
        self._checkpoint = trajectories[0].denoise.checkpoint
        self._guided = [index for index, each in enumerate(trajectories) if each.denoise.negative is not None]
        self._owners = [*self._guided, *range(len(trajectories))]
        self.key = key_of(trajectories[0])

    @property
    def rows(self) -> int:
        return len(self._owners)

    def step(self) -> None:
        """Advances every trajectory by one step, or none of them if it raises.

        The model runs in its own dtype; guidance and the sampler's arithmetic are float32.
        """
        latents = torch.stack([each.latents[0] for each in self._trajectories])
        scales, timesteps, guidance = _moved(self._scalars(), latents.device).unbind()
        outputs = self._guide(self._predict(latents * _per_row(scales), timesteps), guidance)
        following = self._combine(outputs)
        for each, latent, output in zip(self._trajectories, following, outputs, strict=True):
            each.advance(latent, output)

    def _scalars(self) -> torch.Tensor:
        """Scale of the model's input, timestep and guidance, [3, trajectories]: one tensor, one copy to the device."""
        each = [(one.table.S[one.index], one.table.T[one.index], one.denoise.guidance) for one in self._trajectories]
        return torch.tensor(each, dtype=torch.float32).T.contiguous()

    def _predict(self, latents: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        checkpoint, denoises = self._checkpoint, [each.denoise for each in self._trajectories]
        owners = _moved(torch.tensor(self._owners), latents.device)
        inputs, beside = latents.to(checkpoint.dtype), [each.beside for each in self._trajectories]
        conditioning, times, circular = _conditioning(denoises), timesteps[owners], self.key.circular
        added: list[torch.Tensor] = []
        if self.key.nets:
            added = residuals(self._trajectories, self._owners, inputs[owners], times, conditioning, circular=circular)
        if shown := [extra for extra in beside if extra is not None]:
            inputs = torch.cat([inputs, torch.stack(shown)], dim=1)
        return checkpoint.predict(inputs[owners], times, conditioning, circular=circular, residuals=added).float()

    def _guide(self, predicted: torch.Tensor, guidance: torch.Tensor) -> torch.Tensor:
        """Classifier-free guidance (Ho and Salimans 2022), where there is a negative to be steered away from."""
        negatives, positives = predicted[: len(self._guided)], predicted[len(self._guided) :]
        if not self._guided:
            return positives
        if len(self._guided) == len(self._trajectories):
            return negatives + _per_row(guidance) * (positives - negatives)
        guided = _moved(torch.tensor(self._guided), predicted.device)
        steered = negatives + _per_row(guidance[guided]) * (positives[guided] - negatives)
        return positives.index_copy(0, guided, steered)

    def _combine(self, outputs: torch.Tensor) -> torch.Tensor:
        """The next latents of all trajectories: one weighted sum over the columns that any of them needs."""
        weights = np.stack([each.table.weights[each.index] for each in self._trajectories])
        columns = np.flatnonzero(weights.any(axis=0))
        noises = self._noises(outputs.device)
        pasts = [_past(*each) for each in zip(self._trajectories, outputs, noises, strict=True)]
        terms = torch.stack([past[column] for past in pasts for column in columns])
        factors = _moved(torch.from_numpy(weights[:, columns].reshape(-1)).float(), outputs.device)
        return (terms * _per_row(factors)).view(len(pasts), len(columns), *outputs.shape[1:]).sum(1)

    def _noises(self, device: torch.device) -> list[torch.Tensor | None]:
        """The noise of each trajectory that needs some, in one copy to the device."""
        drawn = [each.noise() for each in self._trajectories]
        if all(noise is None for noise in drawn):
            return list(drawn)
        moved = iter(_moved(torch.stack([noise for noise in drawn if noise is not None]), device))
        return [None if noise is None else next(moved) for noise in drawn]


def _past(trajectory: Trajectory, output: torch.Tensor, noise: torch.Tensor | None) -> list[torch.Tensor]:
    """x[i], …, x[i-3], m[i], …, m[i-3], z[i]; what is missing is multiplied by 0, so anything finite stands in."""
    present = trajectory.latents[0]
    latents = [*trajectory.latents, *[present] * DEPTH][:DEPTH]
    outputs = [output, *trajectory.outputs, *[present] * DEPTH][:DEPTH]
    return [*latents, *outputs, present if noise is None else noise]


def _conditioning(denoises: Sequence[Denoise]) -> Conditioning:
    """The conditionings of a batch, stacked over its rows."""
    rows = [one.negative for one in denoises if one.negative is not None] + [one.positive for one in denoises]
    names = rows[0].extras.keys()
    extras = {name: torch.cat([row.extras[name] for row in rows]) for name in names}
    return Conditioning(torch.cat([row.embeds for row in rows]), extras)


def _moved(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """`values` on the device, without waiting until all that was launched before has run."""
    return values.to(device, non_blocking=True)


def _per_row(values: torch.Tensor) -> torch.Tensor:
    return values[:, None, None, None]
