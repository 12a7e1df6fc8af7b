"""Noise that depends on a seed alone: an image is the same whoever shares its batch, and on whichever device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler

ALMOST_PARALLEL = 0.9995


class GaussianNoise(Protocol):
    """Standard normal draws, in order: what an encoder needs to sample its posterior."""

    def gaussian(self, shape: Sequence[int]) -> torch.Tensor:
        """The next draw, float32 on the CPU."""
        ...


class Noise(GaussianNoise, Protocol):
    """The noise of one image: it depends on its seed alone, and its position can be stored."""

    def initial(self, shape: Sequence[int]) -> torch.Tensor:
        """The noise that an image starts from, float32 on the CPU."""
        ...

    def brownian(
        self, shape: Sequence[int], sigma_range: tuple[float, float], sigma: float, sigma_next: float
    ) -> torch.Tensor:
        """The increment of a Brownian path over `sigma_range`, scaled to unit variance, float32 on the CPU."""
        ...

    def state(self) -> torch.Tensor:
        """The position in the stream, uint8 [bytes]."""
        ...

    def restore(self, state: torch.Tensor) -> None:
        """Continues the stream of the same seed at a position that `state` returned."""
        ...


class SeededNoise:
    """The noise of one image: a CPU generator of its own, and other seeds' noise mixed into the first draw.

    `variations` are (seed, strength) pairs; each turns the noise by `strength` of the way towards that seed's noise.
    """

    def __init__(self, seed: int, variations: Sequence[tuple[int, float]] = ()) -> None:
        self._seed = seed
        self._variations = tuple(variations)
        self._generator = torch.Generator("cpu").manual_seed(seed)
        self._brownian: BrownianTreeNoiseSampler | None = None
        self._brownian_over: tuple[tuple[int, ...], tuple[float, float]] | None = None

    def gaussian(self, shape: Sequence[int]) -> torch.Tensor:
        """The next standard normal draw, float32 on the CPU."""
        return torch.randn(tuple(shape), generator=self._generator, dtype=torch.float32)

    def initial(self, shape: Sequence[int]) -> torch.Tensor:
        """The noise that an image starts from: the next draw with the variations mixed in, in order."""
        noise = self.gaussian(shape)
        for seed, strength in self._variations:
            noise = slerp(noise, SeededNoise(seed).gaussian(shape), strength)
        return noise

    def brownian(
        self, shape: Sequence[int], sigma_range: tuple[float, float], sigma: float, sigma_next: float
    ) -> torch.Tensor:
        """The Brownian path's increment from `sigma` to `sigma_next`, scaled to unit variance; float32 on the CPU.

        The path over `sigma_range` is a function of the seed and the shape, so overlapping increments correlate as
        they must, and asking draws nothing from the generator.
        """
        over = (tuple(shape), sigma_range)
        if self._brownian is None or self._brownian_over != over:
            self._brownian = BrownianTreeNoiseSampler(torch.zeros(over[0]), *sigma_range, seed=self._seed)
            self._brownian_over = over
        low, high = sigma_range
        # Noise levels that went through a logarithm come back a rounding error outside of the path.
        increment: torch.Tensor = self._brownian(min(max(sigma, low), high), min(max(sigma_next, low), high))
        return increment

    def state(self) -> torch.Tensor:
        """Where the stream stands, as plain bytes (uint8)."""
        return self._generator.get_state()

    def restore(self, state: torch.Tensor) -> None:
        """Continues where `state` was taken, of a noise with the same seed."""
        self._generator.set_state(state)


def slerp(start: torch.Tensor, end: torch.Tensor, fraction: float) -> torch.Tensor:
    """Spherical interpolation (Shoemake 1985) of whole tensors: unlike a mean, it keeps the variance of noise.

    Almost parallel tensors are interpolated linearly, where the two agree and the sphere's formula divides by zero.
    """
    cosine = torch.dot(start.flatten() / start.norm(), end.flatten() / end.norm())
    if cosine > ALMOST_PARALLEL:
        return torch.lerp(start, end, fraction)
    angle = torch.acos(cosine)
    return (torch.sin((1 - fraction) * angle) * start + torch.sin(fraction * angle) * end) / torch.sin(angle)
