"""A sampler written as numbers: every step of every diffusers scheduler is linear in its inputs.

With x the latents, m the model outputs and z the noise of a step, row i of a table says

    x[i+1] = Σ_{j<4} A[i,j]·x[i-j] + Σ_{j<4} B[i,j]·m[i-j] + C[i]·z[i]      where m[i] = model(S[i]·x[i], T[i])

so a denoising under way is at most eight tensors and an index, and any mix of samplers advances in one operation.
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
TOLERANCE = 1e-6


class TableError(Exception):
    """A diffusers scheduler is not linear, or looks further back than four steps."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What a step takes from the image's noise: one gaussian, or a Brownian increment between two noise levels.

    It is drawn even where C is 0, for the diffusers scheduler draws there too and the streams must agree.
    """

    sigma: float | None = None
    sigma_next: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one sampler, one per evaluation of the model, float64.

    The latents start as `signal`·source + `sigma`·noise. `weights` is [rows, 9]: A and B, latest first, and C.
    S and T are [rows]. G is [rows, 2]: the clean latents, as they look from row i, are G[i,0]·x[i] + G[i,1]·m[i].
    V is [rows, 2]: what the model is shown in row i, S[i]·x[i], is V[i,0]·clean + V[i,1]·noise, of unit variance.
    N is [rows, 2]: clean latents as noisy as x[i+1] are N[i,0]·clean + N[i,1]·noise, and (1, 0) after the last row.
    `sigma_range` is what a Brownian path spans, (0, 0) if there is none.
    """

    signal: float
    sigma: float
    weights: np.ndarray
    S: np.ndarray
    T: np.ndarray
    G: np.ndarray
    V: np.ndarray
    N: np.ndarray
    draws: tuple[Draw | None, ...]
    sigma_range: tuple[float, float]

    def __len__(self) -> int:
        return len(self.draws)

    @property
    def reach(self) -> tuple[int, int]:
        """How many of the latest latents, and how many of the latest model outputs, some row asks for."""
        return _deepest(self.weights[:, :DEPTH]), _deepest(self.weights[:, DEPTH : 2 * DEPTH])


def _deepest(coefficients: np.ndarray) -> int:
    return int(np.flatnonzero(coefficients.any(axis=0)).max(initial=-1)) + 1


def empty() -> Table:
    """The table that leaves a source as it is."""
    flat = np.zeros(0)
    pairs = np.zeros((0, 2))
    return Table(1.0, 0.0, np.zeros((0, 2 * DEPTH + 1)), flat, flat, pairs, pairs, pairs, (), (0.0, 0.0))


def extract(scheduler: Any, steps: int, begin: int | None) -> Table:
    """The table of a fresh diffusers scheduler for `steps` steps, found by stepping it once on unit vectors.

    `begin` is the first of its timesteps to take for image to image, None for text to image. Raises TableError if the
    rows do not fit the form to a relative residual of 1e-6.
    """
    scheduler.set_timesteps(steps)
    timesteps = scheduler.timesteps[begin or 0 :]
    signal, sigma = _start(scheduler, timesteps, begin)
    count = len(timesteps)
    units = torch.eye(3 * count, dtype=torch.float64)
    scales, outcomes, levels = np.zeros(count), np.zeros((count, 3 * count)), np.tile([1.0, 0.0], (count, 1))
    with _unit_noise(scheduler, units[2 * count :]) as drawn:
        for index, timestep in enumerate(timesteps):
            latents, output = units[index : index + 1], units[count + index : count + index + 1]
            drawn.append(None)
            scales[index] = scheduler.scale_model_input(latents, timestep)[0, index]
            outcomes[index] = scheduler.step(output, timestep, latents, return_dict=False)[0][0]
            if index + 1 < count:
                levels[index] = _noised(scheduler, timesteps[index + 1 : index + 2])
    weights = np.stack([_within_reach(outcomes, index) for index in range(count)])
    T = timesteps.double().numpy()
    shown = _shown(scheduler, T)
    guess = _guess(scheduler, scales, shown)
    return Table(signal, sigma, weights, scales, T, guess, shown, levels, tuple(drawn), _sigma_range(scheduler))


def _start(scheduler: Any, timesteps: torch.Tensor, begin: int | None) -> tuple[float, float]:
    """How much source and how much noise the latents start from."""
    if hasattr(scheduler, "set_begin_index"):
        # Also for text to image: left to search, diffusers takes the second of two equal first timesteps and fails.
        scheduler.set_begin_index(begin or 0)
    if begin is None:
        return 0.0, float(scheduler.init_noise_sigma)
    return _noised(scheduler, timesteps[:1])


def _noised(scheduler: Any, timestep: torch.Tensor) -> tuple[float, float]:
    """How much of the clean latents and how much noise the scheduler, as it stands, mixes at a timestep [1]."""
    units = torch.eye(2, dtype=torch.float64)
    signal, sigma = scheduler.add_noise(units[:1], units[1:], timestep)[0].tolist()
    return signal, sigma


@contextmanager
def _unit_noise(scheduler: Any, units: torch.Tensor) -> Iterator[list[Draw | None]]:
    """Makes the scheduler draw unit vectors, and records in the yielded list (its last item) what each step drew."""
    drawn: list[Draw | None] = []

    def gaussian(shape: Any, dtype: torch.dtype | None = None, **_: Any) -> torch.Tensor:
        drawn[-1] = Draw()
        return units[len(drawn) - 1 : len(drawn)].to(dtype)

    def brownian(sigma: torch.Tensor, sigma_next: torch.Tensor) -> torch.Tensor:
        drawn[-1] = Draw(float(sigma), float(sigma_next))
        return units[len(drawn) - 1 : len(drawn)]

    module = sys.modules[scheduler.step.__module__]
    original = getattr(module, "randn_tensor", None)
    if hasattr(scheduler, "noise_sampler"):
        scheduler.noise_sampler = brownian
    if original is None:
        yield drawn
        return
    module.randn_tensor = gaussian  # type: ignore[attr-defined]
    try:
        yield drawn
    finally:
        module.randn_tensor = original  # type: ignore[attr-defined]


def _within_reach(outcomes: np.ndarray, index: int) -> np.ndarray:
    """The weights [9] of one row, of the outcomes [rows, x | m | z] of steps that were each fed fresh unit vectors.

    Nearly all outcomes are within reach as they are. One that is not (a corrector keeps latents that nobody sees)
    is brought there by adding multiples of x[k] − outcome[k-1] = 0, the latest k first.
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
        f"step {index + 1} of {count} does not fit the four-deep linear form; "
        "switch off whatever makes this diffusers scheduler non-linear, or leave it out"
    )


def _reach(index: int, count: int) -> np.ndarray:
    """Which of x | m | z row `index` may use."""
    steps = np.arange(count)
    recent = (steps <= index) & (steps > index - DEPTH)
    return np.concatenate([recent, recent, steps == index])


def _latest(coefficients: np.ndarray, index: int) -> np.ndarray:
    """The coefficients at index, index-1, … as [4], zero before the beginning."""
    recent = coefficients[max(index - DEPTH + 1, 0) : index + 1][::-1]
    return np.pad(recent, (0, DEPTH - len(recent)))


def _shown(scheduler: Any, T: np.ndarray) -> np.ndarray:
    """V. The model always sees latents of unit variance, √ᾱ·clean + √(1-ᾱ)·noise (Ho et al. 2020, eq. 4)."""
    alphas = scheduler.alphas_cumprod.double().numpy()
    alpha: np.ndarray = np.interp(T, np.arange(len(alphas)), alphas)
    levels: np.ndarray = np.sqrt(np.stack([alpha, 1 - alpha], axis=1))
    return levels


def _guess(scheduler: Any, S: np.ndarray, V: np.ndarray) -> np.ndarray:
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
