"""A sampler written as numbers: every step of every diffusers scheduler is linear in its inputs.

With x the latents, m the model outputs and z the noise of a step, row i of a table says

    x[i+1] = Σ_{j<4} A[i,j]·x[i-j] + Σ_{j<4} B[i,j]·m[i-j] + C[i]·z[i]      where m[i] = model(S[i]·x[i], T[i])

so a denoising in progress is at most eight tensors and an index, and any mix of samplers advances in one operation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

DEPTH = 4
"""Earlier latents and model outputs that a step may read, the present ones included."""
TOLERANCE = 1e-6
"""Largest residual of a row, as a fraction of its norm."""


class TableError(Exception):
    """A diffusers scheduler is not linear, or reads further back than four steps."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What a step draws from the image's noise: a Brownian increment between two noise levels, or a Gaussian (None).

    It is drawn even where C is 0: diffusers draws there too, and the streams must agree.
    """

    sigma: float | None = None
    sigma_next: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """One sampler with its steps: one row per evaluation of the model, float64."""

    signal: float
    """The latents start as signal · source + sigma · noise."""
    sigma: float
    weights: np.ndarray
    """[rows, 9]: A and B, latest first, and C."""
    S: np.ndarray
    """[rows]: scale of the model's input."""
    T: np.ndarray
    """[rows]: timestep."""
    G: np.ndarray
    """[rows, 2]: in row i the clean latents are estimated as G[i,0]·x[i] + G[i,1]·m[i]."""
    V: np.ndarray
    """[rows, 2]: the model's input in row i, S[i]·x[i], is V[i,0]·clean + V[i,1]·noise, of unit variance."""
    N: np.ndarray
    """[rows, 2]: clean latents as noisy as x[i+1] are N[i,0]·clean + N[i,1]·noise; (1, 0) after the last row."""
    draws: tuple[Draw | None, ...]
    """What each row draws from the image's noise."""
    sigma_range: tuple[float, float]
    """What a Brownian path spans; (0, 0) if there is none."""

    def __len__(self) -> int:
        return len(self.draws)

    @property
    def reach(self) -> tuple[int, int]:
        """How many of the latest latents, and how many of the latest model outputs, some row reads."""
        return _count_used(self.weights[:, :DEPTH]), _count_used(self.weights[:, DEPTH : 2 * DEPTH])


def _count_used(coefficients: np.ndarray) -> int:
    return int(np.flatnonzero(coefficients.any(axis=0)).max(initial=-1)) + 1


def empty() -> Table:
    """The table of no steps, which leaves a source unchanged."""
    flat = np.zeros(0)
    pairs = np.zeros((0, 2))
    return Table(1.0, 0.0, np.zeros((0, 2 * DEPTH + 1)), flat, flat, pairs, pairs, pairs, (), (0.0, 0.0))


def extract(scheduler: Any, steps: int, begin: int | None) -> Table:
    """The table of a new diffusers scheduler for `steps` steps, found by stepping it once on unit vectors.

    `begin` is the index of the first timestep of image to image; None: text to image. Raises TableError if the rows do
    not fit the form to a relative residual of 1e-6.
    """
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps[begin or 0 :]
    signal, sigma = _start(scheduler, timesteps, begin)
    count = len(timesteps)
    units = torch.eye(3 * count, dtype=torch.float64)
    scales, outcomes, levels = np.zeros(count), np.zeros((count, 3 * count)), np.tile([1.0, 0.0], (count, 1))
    with _unit_noise(scheduler, units[2 * count :]) as draws:
        for index, timestep in enumerate(timesteps):
            latents, output = units[index : index + 1], units[count + index : count + index + 1]
            draws.append(None)
            scales[index] = scheduler.scale_model_input(latents, timestep)[0, index]
            outcomes[index] = scheduler.step(output, timestep, latents, return_dict=False)[0][0]
            if index + 1 < count:
                levels[index] = _noised(scheduler, timesteps[index + 1 : index + 2])
    weights = np.stack([_within_reach(outcomes, index) for index in range(count)])
    T = timesteps.double().numpy()
    input_levels = _input_levels(scheduler, T)
    estimates = _estimates(scheduler, scales, input_levels)
    draws_of_rows = tuple(draws)
    return Table(
        signal, sigma, weights, scales, T, estimates, input_levels, levels, draws_of_rows, _sigma_range(scheduler)
    )


def _start(scheduler: Any, timesteps: torch.Tensor, begin: int | None) -> tuple[float, float]:
    """The factors of source and noise that the latents start from."""
    if hasattr(scheduler, "set_begin_index"):
        # Also for text to image: diffusers' own search takes the second of two equal first timesteps, and fails.
        scheduler.set_begin_index(begin or 0)
    if begin is None:
        return 0.0, float(scheduler.init_noise_sigma)
    return _noised(scheduler, timesteps[:1])


def _noised(scheduler: Any, timestep: torch.Tensor) -> tuple[float, float]:
    """The factors of clean latents and noise that the scheduler mixes at a timestep [1]."""
    units = torch.eye(2, dtype=torch.float64)
    signal, sigma = scheduler.add_noise(units[:1], units[1:], timestep)[0].tolist()
    return signal, sigma


@contextmanager
def _unit_noise(scheduler: Any, units: torch.Tensor) -> Iterator[list[Draw | None]]:
    """Makes the scheduler draw unit vectors, and records in the yielded list's last item what the present step drew."""
    draws: list[Draw | None] = []

    def gaussian(shape: Any, dtype: torch.dtype | None = None, **_: Any) -> torch.Tensor:
        draws[-1] = Draw()
        return units[len(draws) - 1 : len(draws)].to(dtype)

    def brownian(sigma: torch.Tensor, sigma_next: torch.Tensor) -> torch.Tensor:
        draws[-1] = Draw(float(sigma), float(sigma_next))
        return units[len(draws) - 1 : len(draws)]

    module = sys.modules[scheduler.step.__module__]
    original = getattr(module, "randn_tensor", None)
    if hasattr(scheduler, "noise_sampler"):
        scheduler.noise_sampler = brownian
    if original is None:
        yield draws
        return
    module.randn_tensor = gaussian  # type: ignore[attr-defined]
    try:
        yield draws
    finally:
        module.randn_tensor = original  # type: ignore[attr-defined]


def _within_reach(outcomes: np.ndarray, index: int) -> np.ndarray:
    """The weights [9] of one row, from the outcomes [rows, x | m | z] of steps that each got new unit vectors.

    Nearly all outcomes read only what is within reach. To one that does not (a corrector keeps latents that it does not
    return) multiples of x[k] − outcome[k-1] = 0 are added until it does, the latest k first.
    """
    count = len(outcomes)
    near = _reach(index, count)
    for relations in range(min(DEPTH, index + 1)):
        ks = range(index, index - relations, -1)
        zeros = np.array([np.eye(3 * count)[k] - outcomes[k - 1] for k in ks]).reshape(relations, 3 * count)
        multiples = np.linalg.lstsq(zeros[:, ~near].T, outcomes[index, ~near], rcond=None)[0]
        row = outcomes[index] - multiples @ zeros
        if np.linalg.norm(row[~near]) <= TOLERANCE * np.linalg.norm(row):
            return np.concatenate([_latest(row, index), _latest(row[count:], index), row[[2 * count + index]]])
    raise TableError(
        f"step {index + 1} of {count} does not fit the linear form of four steps; "
        "switch off the option that makes this diffusers scheduler non-linear, or leave the sampler out"
    )


def _reach(index: int, count: int) -> np.ndarray:
    """Which of x | m | z row `index` may read, bool [3 · count]."""
    steps = np.arange(count)
    recent = (steps <= index) & (steps > index - DEPTH)
    return np.concatenate([recent, recent, steps == index])


def _latest(coefficients: np.ndarray, index: int) -> np.ndarray:
    """The coefficients at index, index-1, … as [4], zero before the first step."""
    recent = coefficients[max(index - DEPTH + 1, 0) : index + 1][::-1]
    return np.pad(recent, (0, DEPTH - len(recent)))


def _input_levels(scheduler: Any, T: np.ndarray) -> np.ndarray:
    """V. The model's input always has unit variance: √ᾱ·clean + √(1-ᾱ)·noise (Ho et al. 2020, eq. 4)."""
    alphas = scheduler.alphas_cumprod.double().numpy()
    alpha: np.ndarray = np.interp(T, np.arange(len(alphas)), alphas)
    levels: np.ndarray = np.sqrt(np.stack([alpha, 1 - alpha], axis=1))
    return levels


def _estimates(scheduler: Any, S: np.ndarray, V: np.ndarray) -> np.ndarray:
    """G; v-prediction is √ᾱ·noise - √(1-ᾱ)·clean (Salimans and Ho 2022)."""
    signal, noise = V.T
    if scheduler.config.prediction_type == "v_prediction":
        return np.stack([signal * S, -noise], axis=1)
    return np.stack([S / signal, -noise / signal], axis=1)


def _sigma_range(scheduler: Any) -> tuple[float, float]:
    if not hasattr(scheduler, "noise_sampler"):
        return (0.0, 0.0)
    sigmas = scheduler.sigmas
    return float(sigmas[sigmas > 0].min()), float(sigmas.max())
