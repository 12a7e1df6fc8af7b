"""Noise that depends on a seed alone: an image does not depend on its batch or its device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from diffusers.schedulers.scheduling_dpmsolver_sde import BrownianTreeNoiseSampler

ALMOST_PARALLEL = 0.9995
"""Cosine above which tensors are interpolated linearly."""


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
    """The noise of one image: a CPU generator of its own, with the noise of other seeds mixed into the first draw."""

    def __init__(
        self, seed: int, variations: Sequence[tuple[int, float]] = (), centre: tuple[int, int] | None = None
    ) -> None:
        """`variations` are (seed, strength) pairs: strength 0 to 1 interpolates to the noise of that seed.

        `centre` (height, width): the middle of an image starts from the noise that an image of this size starts from,
        so that images of other sizes resemble it.
        """
        self._seed = seed
        self._variations = tuple(variations)
        self._centre = centre
        self._generator = torch.Generator("cpu").manual_seed(seed)
        self._brownian: BrownianTreeNoiseSampler | None = None
        self._brownian_key: tuple[tuple[int, ...], tuple[float, float]] | None = None

    def gaussian(self, shape: Sequence[int]) -> torch.Tensor:
        """The next standard normal draw, float32 on the CPU."""
        return torch.randn(tuple(shape), generator=self._generator, dtype=torch.float32)

    def initial(self, shape: Sequence[int]) -> torch.Tensor:
        """The noise that an image starts from: the next draw, with the variations mixed in in their order."""
        noise = self._mixed(self.gaussian(shape))
        if self._centre is None or self._centre == tuple(shape[-2:]):
            return noise
        own = SeededNoise(self._seed)
        return _with_centre(noise, self._mixed(own.gaussian((*shape[:-2], *self._centre))))

    def _mixed(self, noise: torch.Tensor) -> torch.Tensor:
        for seed, strength in self._variations:
            noise = slerp(noise, SeededNoise(seed).gaussian(noise.shape), strength)
        return noise

    def brownian(
        self, shape: Sequence[int], sigma_range: tuple[float, float], sigma: float, sigma_next: float
    ) -> torch.Tensor:
        """The Brownian path's increment from `sigma` to `sigma_next`, scaled to unit variance; float32 on the CPU.

        The path over `sigma_range` depends on the seed and the shape alone, so overlapping increments correlate as they
        must, and the generator does not advance.
        """
        key = (tuple(shape), sigma_range)
        if self._brownian is None or self._brownian_key != key:
            self._brownian = BrownianTreeNoiseSampler(torch.zeros(key[0]), *sigma_range, seed=self._seed)
            self._brownian_key = key
        low, high = sigma_range
        # Noise levels that went through a logarithm may lie outside the path by a rounding error.
        increment: torch.Tensor = self._brownian(min(max(sigma, low), high), min(max(sigma_next, low), high))
        return increment

    def state(self) -> torch.Tensor:
        """The position in the stream, uint8 [bytes]."""
        return self._generator.get_state()

    def restore(self, state: torch.Tensor) -> None:
        """Continues at a position that `state` returned for the same seed."""
        self._generator.set_state(state)


def _with_centre(noise: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
    """The noise [..., h, w], with the middle of another in its own middle, as far as both reach."""
    result = noise.clone()
    inside, taken = zip(*map(_middles, noise.shape[-2:], centre.shape[-2:]), strict=True)
    result[..., inside[0], inside[1]] = centre[..., taken[0], taken[1]]
    return result


def _middles(length: int, other: int) -> tuple[slice, slice]:
    """The indices of the common middle of two lengths, in each of them."""
    common = min(length, other)
    begin, other_begin = (length - common) // 2, (other - common) // 2
    return slice(begin, begin + common), slice(other_begin, other_begin + common)


def slerp(start: torch.Tensor, end: torch.Tensor, fraction: float) -> torch.Tensor:
    """Spherical interpolation (Shoemake 1985) of whole tensors: unlike a mean, it keeps the variance of noise.

    Almost parallel tensors are interpolated linearly: there both agree, and the spherical formula divides by zero.
    """
    cosine = torch.dot(start.flatten() / start.norm(), end.flatten() / end.norm())
    if cosine > ALMOST_PARALLEL:
        return torch.lerp(start, end, fraction)
    angle = torch.acos(cosine)
    return (torch.sin((1 - fraction) * angle) * start + torch.sin(fraction * angle) * end) / torch.sin(angle)
